"""Collections of one's own whose length, names, pixels or labels are none, or that fail when they are asked."""

from __future__ import annotations

import textwrap

from benchmarks.bad_input import BadInput
from benchmarks.bad_inputs.models import nothing_run

OWN = """
class Photos(Photos):
    def {head}: {body}
"""


def _own(head: str, body: str) -> str:
    return OWN.format(head=head, body="\n" + textwrap.indent(textwrap.dedent(body), " " * 8))


def length(title: str, value: str, *contains: str) -> BadInput:
    """A collection's length that is refused."""
    code = _own("__len__(self)", f"return {value}" if not value.startswith(("raise", "sys")) else value)
    return BadInput(f"a length of {title}", lambda folder: nothing_run(folder, code), contains)


def image(title: str, body: str, *contains: str, code: int = 2) -> BadInput:
    """Images that are wrong throughout: the collection is refused."""
    source = _own("image(self, index)", f"good = np.full((8, 8, 3), index, np.uint8)\n{body}")
    return BadInput(f"images that are {title}", lambda folder: nothing_run(folder, source), ("mine:Photos", *contains), code)


CASES = [
    length("-1", "-1"), length("0", "0", "0 images"), length("10³⁰", "10**30", "set count"),
    length("10¹²", "10**12", "set count"),
    length("None", "None"), length("2.5", "2.5"), length("a text", "'6'"), length("an exit", "sys.exit(0)", "__len__"),
    length("an error", "raise OSError(5, 'I/O error')", "I/O"), length("a list", "[1]"),
    image("None", "return None", "None"), image("arrays", "return good", "ndarray"), image("a text", "return 'a.png'", "str"),
    image("a tuple", "return good, 'a'", "tuple"), image("named by numbers", "return Image(good, index)", "name is"),
    image("named None", "return Image(good, None)", "name is None"),
    image("named by bytes", "return Image(good, b'a')", "name is"),
    image("of no size", "return Image(good[:0], 'a')", "it has none"),
    image("of no width", "return Image(good[:, :0], 'a')", "it has none"),
    image("floats", "return Image(good / 255.0, 'a')", "float64"), image("grey", "return Image(good[..., 0], 'a')", "grey"),
    image("RGBA", "return Image(np.dstack([good, good[..., :1]]), 'a')", "background"),
    image("channels first", "return Image(good.transpose(2, 0, 1), 'a')", "colour comes last"),
    image("huge", "return Image(np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)), 'a')", "134,217,728"),
    image("tensors", "return Image(torch.zeros(8, 8, 3), 'a')", "pixels are"),
    image("labelled by numbers", "return Image(good, 'a', label=3)", "label is"),
    image("errors of the disk", "raise OSError(5, 'Input/output error')", "Input/output error", code=1),
    image("not there", "open('/no/such/file')", "FileNotFoundError"), image("an exit", "sys.exit(0)", "SystemExit"),
    image("an IndexError", "return [][index]", "IndexError"),
    image("ends of their own kind", "raise GeneratorExit", "GeneratorExit"),
    BadInput("names with half a character", lambda folder: nothing_run(folder, _own(
        "image(self, index)", "return Image(np.full((8, 8, 3), index, np.uint8), f'\\udce9{index}')")), code=0),
]  # fmt: skip
