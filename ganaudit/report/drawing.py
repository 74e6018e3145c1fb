"""How every figure is drawn: one look, and two ways out, as a file and as inline SVG that takes the page's colours.

Matplotlib is imported when a figure is drawn, not with the module, and only its file backends are used.
"""

import html
import io
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit.report.palette import ROLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIGHT = {role: light for role, (light, _) in ROLES.items()}
LEGEND: dict[str, Any] = {
    "ncols": 4, "fontsize": 8, "borderpad": 0, "borderaxespad": 0.5, "handletextpad": 0.5, "handlelength": 1.5
}  # fmt: skip

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, copied, and takes the page's own font
    "svg.hashsalt": "ganaudit",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["soft"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LIGHT["ink"],
    "ytick.color": LIGHT["soft"],
    "ytick.labelsize": 7.5,
    "xtick.major.size": 0,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True, eq=False)
class DrawnFigure:
    """A figure, what it shows in one sentence, and the tooltips of its marks (by the mark's gid)."""

    figure: "Figure"
    alt: str
    tips: dict[str, str] = field(default_factory=dict)


def file_name(name: str) -> str:
    """A name without the letters that paths and shells give a meaning to."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "unnamed"


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, and no warning for a letter that the font lacks (SVG text shows it all the same)."""
    from matplotlib import rc_context

    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(drawn: DrawnFigure, file: "Path | io.BytesIO", kind: str) -> None:
    """Write a figure as png, svg or pdf."""
    metadata = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else None
    drawn.figure.savefig(file, format=kind, dpi=200, metadata=metadata)


def inline(drawn: DrawnFigure, name: str) -> str:
    """A figure as an <svg> element for the page: its colours, its font, tooltips, and ids that begin with `name`."""
    file = io.BytesIO()
    drawn.figure.patch.set_visible(False)
    for axes in drawn.figure.axes:
        axes.patch.set_visible(False)
    save(drawn, file, "svg")
    svg = file.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<\?.*?\?>", "", svg, flags=re.S)
    svg = re.sub(r"<[^>]+>", lambda tag: _themed(tag[0], name), svg)
    svg = re.sub(r'<g id="\w+-tip:(\w+)">', lambda mark: f"<g><title>{html.escape(drawn.tips[mark[1]])}</title>", svg)
    svg = re.sub(r"<g>\s*</g>", "", re.sub(r"<g>\s*(<g[^>]*/>\s*)?</g>", "", re.sub(r"\s*\n\s*", "\n", svg)))
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    opening = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}" style="--w: {width}" '
        f'role="img" aria-label="{html.escape(drawn.alt)}">'
    )
    return opening + svg[svg.index(">") + 1 :]


def _themed(tag: str, name: str) -> str:
    """One tag of an inline figure: roles for colours, fewer digits, ids of its own, no font but a size."""
    tag = re.sub(r'^<g id="(?!tip:)[^"]*">', "<g>", tag)
    tag = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r' transform="rotate\(-?0 [^"]*"', "", tag)
    tag = re.sub(r"-?\d+\.\d{2,}", lambda digits: f"{float(digits[0]):.1f}", tag)
    tag = re.sub(r"\s*\n\s*", " ", tag)
    tag = re.sub(r" ?font-family: [^;\"]*;?", "", tag)
    tag = re.sub(r"font: (?:(bold|\d{3}) )?([\d.]+px) [^;\"]*", _font, tag)
    for role, colour in LIGHT.items():
        tag = tag.replace(colour, f"var(--{role.replace('_', '-')})")
    return tag


def _font(font: re.Match[str]) -> str:
    return f"font-size: {font[2]}" + (f"; font-weight: {font[1]}" if font[1] else "")


def bars(axes: "Axes", drawn: Sequence[tuple[float, float, float | None]], colour: str) -> None:
    """Bars (centre, from, to) of one colour, as one shape: files stay small."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Shape

    corners, codes = [], []
    for centre, start, end in drawn:
        left, right, stop = centre - 0.36, centre + 0.36, start if end is None else end
        corners += [(left, start), (left, stop), (right, stop), (right, start), (left, start)]
        codes += [Shape.MOVETO, Shape.LINETO, Shape.LINETO, Shape.LINETO, Shape.CLOSEPOLY]
    if corners:
        axes.add_patch(PathPatch(Shape(corners, codes), facecolor=colour, linewidth=0))


def strokes(axes: "Axes", spans: Sequence[tuple[float, float, float]], colour: str) -> None:
    """Upright lines (place, from, to), as one shape."""
    gap = float("nan")
    xs = [value for x, _, _ in spans for value in (x, x, gap)]
    ys = [value for _, bottom, top in spans for value in (bottom, top, gap)]
    axes.plot(xs, ys, "-", color=colour, linewidth=0.8, solid_capstyle="butt")


def rules(axes: "Axes", spans: Sequence[tuple[float, float, float]], colour: str, width: float = 1.2) -> None:
    """Level lines (height, from, to), as one shape."""
    gap = float("nan")
    ys = [value for y, _, _ in spans for value in (y, y, gap)]
    xs = [value for _, left, right in spans for value in (left, right, gap)]
    axes.plot(xs, ys, "-", color=colour, linewidth=width, solid_capstyle="butt")


def inches(text: str, points: float) -> float:
    """About how long a text is, generously; East Asian letters are twice as wide."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.58 for letter in text) * points / 72


def below(size: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is no more than `size`."""
    power: float = 10.0 ** math.floor(math.log10(size))
    return max(step * power for step in (1, 2, 5) if step * power <= size)
