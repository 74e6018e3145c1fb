"""Pixels: from a file to 8-bit RGB, to one size, to a digest, and to a network's range and back.

Everything here depends on the file's bytes alone: no reduced-size JPEG decoding, no colour management.
On import Pillow's decompression-bomb limit is raised to MAX_PIXELS. Above it, or above MAX_SIDE or MAX_BYTES, an image is
refused before it is decoded; all threads of a process share PIXELS_AT_ONCE, so that many large images do not add up.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, UnidentifiedImageError, features
from PIL import Image as pillow

from ganaudit import formats
from ganaudit.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
"""Enters every content key whose records depend on how a file is decoded and resized."""

Fit = Literal["crop", "stretch"]
Rounding = Literal["nearest", "down"]
FITS: tuple[Fit, ...] = get_args(Fit)

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp"}) | frozenset(
    {".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"}
)
"""File names that count as images, in lower case; `taken` knows those of further packages too."""

MAX_PIXELS = 2**27
"""The largest image that is decoded, 134 megapixels: phones make 108, studio cameras 102. It takes up to 2 GB meanwhile."""
MAX_SIDE = 65_535
"""The longest side that is decoded, in pixels: as many as a JPEG file can have."""
MAX_BYTES = 2**31
"""The largest file that is read: twice what MAX_PIXELS can take in any of the formats, uncompressed."""
PIXELS_AT_ONCE = 2**28
"""Pixels of images that all threads of a process decode and resize at once; further ones wait."""

if pillow.MAX_IMAGE_PIXELS is not None:
    pillow.MAX_IMAGE_PIXELS = max(pillow.MAX_IMAGE_PIXELS, MAX_PIXELS)

# Named, so that a file's content can never start a decoder that runs programs (EPS calls Ghostscript).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "AVIF")
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_EIGHT_BIT = frozenset(("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"))
_STRIP = 1 << 22  # pixels that are converted at a time: bounds what a conversion holds beside its input and its output

# The machine is at fault, not the file: such an error passes through, so that it is tried again and not recorded.
_PASSING = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT})


def taken() -> frozenset[str]:
    """The suffixes of files that can be read here."""
    return SUFFIXES | formats.suffixes()


def decode(
    file: str | os.PathLike[str] | bytes, *, name: str | None = None, size: tuple[int, int] | None = None, how: Fit = "crop"
) -> NDArray[np.uint8]:
    """The image in a file, as a viewer shows it on a white page: path or bytes => (H, W, 3) uint8 RGB, as `resize` makes it.

    Turned as its EXIF orientation says. Transparency is composited over white. Grey of 16 bits is scaled by 255/65535
    and rounded; of 16-bit colour Pillow gives the upper 8 bits. CMYK is converted without a colour profile. The first
    frame of an animation, the first page of a TIFF. `name` is what an error calls the file (its file name otherwise).

    Raises ImageError where the file cannot be used; an OSError passes through where the machine failed, not the file.
    """
    if name is None:
        name = "the image" if isinstance(file, bytes) else Path(file).name
    with opened(file, name) as image:
        turn = _orientation(image)
        pixels = _rgb(image, name)
        image.close()  # frees Pillow's copy before the image is turned and resized
        pixels = np.ascontiguousarray(_turned(pixels, turn))
        return pixels if size is None else resize(pixels, size, how)


@contextmanager
def opened(file: str | os.PathLike[str] | bytes, name: str) -> Iterator[pillow.Image]:
    """An image file, loaded, as Pillow holds it; errors as in decode. It has its share of PIXELS_AT_ONCE meanwhile."""
    try:
        if not isinstance(file, bytes) and not stat.S_ISREG(os.stat(file).st_mode):
            raise ImageError(f"{name} is not a file")
        with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as stream:
            if (size := len(file) if isinstance(file, bytes) else os.fstat(stream.fileno()).st_size) == 0:
                raise ImageError(f"{name} is empty (0 bytes)")
            if size > MAX_BYTES:
                raise ImageError(f"{name} has {size:,} bytes; an image file has at most {MAX_BYTES:,}")
            with closing(_identify(stream, name)) as image, _AT_ONCE.share(image.width * image.height):
                try:
                    image.load()
                except Exception as error:
                    raise _unreadable(error, f"{name} {_damage(error, image)}") from error
                yield image
    except OSError as error:
        raise _unreadable(error, f"{name} cannot be opened: {error.strerror or error}") from error


class PixelBudget:
    """So many pixels may be at work at once; who asks for more waits until others are done."""

    def __init__(self, pixels: int) -> None:
        self._free = pixels
        self._changed = threading.Condition()

    @contextmanager
    def share(self, pixels: int) -> Iterator[None]:
        """Waits for `pixels`, at most all there are, and holds them meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_AT_ONCE = PixelBudget(PIXELS_AT_ONCE)


def resize(pixels: NDArray[np.uint8], size: tuple[int, int], how: Fit = "crop") -> NDArray[np.uint8]:
    """An image in another size: (h, w, 3) uint8 => (H, W, 3) uint8, with size = (H, W).

    Bilinear with antialiasing (Pillow's). "crop": scaled until it just covers `size`, long side rounded down, then
    the centre; "stretch": each side on its own. An image that has this size already is returned as it is.
    """
    (height, width), (h, w) = size, pixels.shape[:2]
    cut = cut_of((h, w), size, how)
    if (h, w) == (height, width):
        return pixels
    image = pillow.fromarray(np.ascontiguousarray(pixels))
    if cut.box is not None:
        return np.array(image.resize((width, height), pillow.Resampling.BILINEAR, box=cut.box))
    full = image.resize(cut.full[::-1], pillow.Resampling.BILINEAR)
    top, left = cut.corner
    return np.array(full.crop((left, top, left + width, top + height)))


@dataclass(frozen=True)
class Cut:
    """How an image of `have` = (h, w) gets a size: it is scaled to `full` = (h, w), and cut out from `corner` = (top, left) on.

    box: (left, top, right, bottom) of the image where only that is scaled, as Pillow takes it: in 32-bit floats.
    """

    have: tuple[int, int]
    full: tuple[int, int]
    corner: tuple[int, int]
    box: tuple[float, float, float, float] | None = None

    def span(self, axis: int) -> tuple[float, float, int]:
        """Which part of a side, from where to where, becomes how many pixels; axis 0 is height."""
        begin, end = (0, self.have[axis]) if self.box is None else (self.box[1 - axis], self.box[3 - axis])
        return float(begin), float(end), self.full[axis]


def cut_of(have: tuple[int, int], size: tuple[int, int], how: Fit) -> Cut:
    """The cut by which `resize` makes an image of `have` = (h, w) one of `size` = (H, W)."""
    if how not in FITS:
        raise ValueError(f"how is {how!r}; it has to be one of {', '.join(FITS)}")
    (h, w), (height, width) = have, size
    if how == "stretch":
        return Cut(have, size, (0, 0))
    if width * h <= height * w:
        full_h, full_w = height, max(width, height * w // h)
    else:
        full_h, full_w = max(height, width * h // w), width
    top, left = round((full_h - height) / 2), round((full_w - width) / 2)
    if full_h * full_w <= 64 * height * width:
        return Cut(have, (full_h, full_w), (top, left))
    # A strip of an image: scaling all of it would need memory without bound (20,000 x 1 to 256 x 256: 5 GB).
    box = (left * w / full_w, top * h / full_h, (left + width) * w / full_w, (top + height) * h / full_h)
    in_floats = np.asarray(box, np.float32).tolist()
    return Cut(have, size, (0, 0), (in_floats[0], in_floats[1], in_floats[2], in_floats[3]))


def digest(pixels: NDArray[np.uint8]) -> str:
    """Name of an image's content: 16-byte BLAKE2b of shape and 8-bit pixels, as 32 hex digits."""
    if pixels.dtype != np.uint8:
        raise ValueError(f"a digest is of 8-bit pixels, not of {pixels.dtype}")
    state = hashlib.blake2b(np.asarray(pixels.shape, dtype="<i8").tobytes(), digest_size=16)
    state.update(np.ascontiguousarray(pixels).data)
    return state.hexdigest()


def to_unit(pixels: NDArray[np.uint8] | Tensor) -> Tensor:
    """8-bit pixels in a network's range: (N, H, W, 3) or (H, W, 3) uint8 => (N, 3, H, W) float32 in [-1, 1].

    x / 127.5 - 1, contiguous, on the device of its input; one image is a batch of one.
    """
    import torch

    if isinstance(pixels, torch.Tensor):
        batch = pixels
    else:
        whole = np.ascontiguousarray(pixels)
        batch = torch.from_numpy(whole if whole.flags.writeable else whole.copy())
    if batch.dtype != torch.uint8 or batch.ndim not in (3, 4):
        raise ValueError(f"expected (N, H, W, 3) or (H, W, 3) uint8, found {tuple(batch.shape)} {batch.dtype}")
    batch = batch if batch.ndim == 4 else batch[None]
    planes = batch.permute(0, 3, 1, 2).contiguous()
    return planes.to(torch.float32).div_(127.5).sub_(1.0)


def to_bytes(images: Tensor, rounding: Rounding = "nearest") -> Tensor:
    """The inverse of to_unit: (N, 3, H, W) in [-1, 1], any float => (N, H, W, 3) uint8, contiguous, on the same device.

    (x + 1) * 127.5 in float32, clamped to [0, 255], rounded to the nearest (half to even), or down. NaN has no 8-bit value:
    whoever may meet one looks for it before.
    """
    import torch

    scaled = (images.detach().to(torch.float32) + 1.0).mul_(127.5).clamp_(0.0, 255.0)
    scaled = scaled.round_() if rounding == "nearest" else scaled.floor_()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _identify(stream: IO[bytes], name: str) -> pillow.Image:
    """The file opened by its content; refuses what is not an image, or is too large."""
    limit = f"at most {MAX_PIXELS:,} pixels, {MAX_SIDE:,} a side, are decoded: make it smaller first"
    try:
        image = pillow.open(stream, formats=(*_FORMATS, *formats.registered()))
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has too many pixels, {limit}") from error
    except Exception as error:
        text = f"{name} is not an image: its content is none of {', '.join(_FORMATS)}"
        if not isinstance(error, UnidentifiedImageError):
            text = f"{name} is damaged: its header cannot be read"
        stream.seek(0)
        start = stream.read(4)
        for signature, kind in _SIGNATURES.items():
            if start.startswith(signature):
                text = f"{name} is truncated or damaged: it starts like a {kind} file, but its header cannot be read"
        if _starts_like_avif(stream) and not features.check("avif"):
            text = f"{name} is an AVIF file, which the Pillow that is installed cannot read: pip install 'ganaudit[avif]'"
        raise _unreadable(error, text) from error
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        image.close()
        raise ImageError(f"{name} has {width:,} x {height:,} pixels, {limit}")
    return image


def _starts_like_avif(stream: IO[bytes]) -> bool:
    """Whether a file begins as AVIF's do (ISO 23000-22: a box `ftyp` of brand avif or avis)."""
    stream.seek(4)
    return stream.read(8) in (b"ftypavif", b"ftypavis")


def _damage(error: Exception, image: pillow.Image) -> str:
    """What a decoder's error says about the file, in words."""
    kind = image.format or "image"
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return f"is truncated: its {kind} data ends before all {image.width:,} x {image.height:,} pixels are there"
    return f"cannot be decoded: its {kind} data is damaged or of a kind that is not supported"


def may_pass(error: BaseException) -> bool:
    """Whether the machine failed, not the file: a full memory, a failing disk or network. Trying again may help."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _PASSING)


def _unreadable(error: Exception, text: str) -> Exception:
    """ImageError(text), or the error itself where trying again may help."""
    return error if isinstance(error, ImageError) or may_pass(error) else ImageError(text)


def _rgb(image: pillow.Image, name: str) -> NDArray[np.uint8]:
    """A loaded image of any mode => (H, W, 3) uint8, strip by strip."""
    width, height = image.size
    rows = max(1, _STRIP // width)
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM", "JPEG2000"))
    if not deep and image.mode not in _EIGHT_BIT:
        text = f"{name} has pixels of mode {image.mode}, which has no fixed 8-bit range: save it as 8-bit RGB"
        raise ImageError(text)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        strip = image if rows >= height else image.crop((0, top, width, bottom))
        if deep:
            pixels[top:bottom] = _deep_grey(np.asarray(strip), image)[..., None]
        elif strip.has_transparency_data:
            pixels[top:bottom] = _over_white(strip)
        else:
            pixels[top:bottom] = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
    return pixels


def _deep_grey(values: NDArray[Any], image: pillow.Image) -> NDArray[np.uint8]:
    """Grey of more than 8 bits => 8 bits, scaled and rounded, never clipped."""
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(ExifTags.Base.BitsPerSample, (16,))[0]
    white = (1 << bits) - 1
    grey = np.clip(values.astype(np.int64), 0, white)
    transparent = image.info.get("transparency")
    if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # TIFF's WhiteIsZero
        grey = white - grey
    if isinstance(transparent, int):
        grey[values == transparent] = white
    scaled: NDArray[np.uint8] = ((grey * 255 + white // 2) // white).astype(np.uint8)
    return scaled


def _over_white(strip: pillow.Image) -> NDArray[np.uint8]:
    """Colours seen through their transparency on a white page, rounded."""
    if strip.mode in ("La", "RGBa"):
        strip = strip.convert("LA" if strip.mode == "La" else "RGBA")
    layers = np.asarray(strip.convert("RGBA")).astype(np.uint16)
    colour, alpha = layers[..., :3], layers[..., 3:]
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _orientation(image: pillow.Image) -> int:
    """EXIF orientation 1 to 8 of a loaded image; 1 where there is none or the EXIF block is damaged, as viewers do."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except MemoryError:
        raise
    except Exception:
        return 1


def _turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Stored pixels as they are meant to be seen (EXIF 2.3, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
