"""Decoding, resizing, digests and value ranges, against Pillow's own converters, loops and hand-made files."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageOps

from ganaudit import images
from ganaudit.errors import ImageError


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG from its raw rows (each begins with filter byte 0)."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def saved(image: pillow.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(tmp_path: Path, data: bytes) -> NDArray[np.uint8]:
    path = tmp_path / "photo.img"
    path.write_bytes(data)
    pixels = images.decode(path)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.flags.c_contiguous
    return pixels


# --- what can be decoded


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_lossless_files_give_back_their_pixels(tmp_path, kind, options):
    pixels = noise(9, 14)
    assert np.array_equal(decoded(tmp_path, saved(pillow.fromarray(pixels), kind, **options)), pixels)


def test_grey_of_16_bits_is_scaled_and_rounded_not_clipped(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    want = np.array([round(v * 255 / 65535) for v in range(65536)], dtype=np.uint8).reshape(256, 256)
    for kind in ("PNG", "TIFF", "PPM"):
        pixels = decoded(tmp_path, saved(pillow.fromarray(values), kind))
        assert all(np.array_equal(pixels[..., channel], want) for channel in range(3)), kind


def test_tiff_grey_with_white_as_zero_is_no_negative(tmp_path):
    values = np.array([[0, 65535, 30000]], dtype=np.uint16)
    pixels = decoded(tmp_path, saved(pillow.fromarray(values), "TIFF", tiffinfo={262: 0}))
    assert pixels[0, :, 0].tolist() == [255, 0, round((65535 - 30000) * 255 / 65535)]


def test_transparent_grey_of_16_bits_is_white(tmp_path):
    rows = b"\0" + struct.pack(">3H", 7, 257 * 9, 65535)
    pixels = decoded(tmp_path, png(3, 1, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 7))))
    assert pixels[0, :, 0].tolist() == [255, 9, 255]


def test_colour_of_16_bits_keeps_its_upper_bits(tmp_path):
    pixels = decoded(tmp_path, png(1, 1, 16, 2, b"\0\x12\xff\x80\x80\xff\xfe"))
    assert pixels[0, 0].tolist() == [0x12, 0x80, 0xFF]


def test_grey_and_bilevel_become_three_equal_channels(tmp_path):
    grey = noise(5, 6)[..., 0]
    assert np.array_equal(decoded(tmp_path, saved(pillow.fromarray(grey), "PNG")), np.dstack([grey] * 3))
    pixels = decoded(tmp_path, png(4, 1, 1, 0, b"\0\x50"))
    assert pixels[0, :, 1].tolist() == [0, 255, 0, 255]


def test_palette_with_transparency_is_seen_on_white(tmp_path):
    palette = chunk(b"PLTE", bytes([200, 0, 0, 0, 100, 0, 0, 0, 50])) + chunk(b"tRNS", bytes([255, 0, 128]))
    pixels = decoded(tmp_path, png(3, 1, 8, 3, b"\0\0\1\2", palette))
    half = [round((0 * 128 + 255 * 127) / 255), round((0 * 128 + 255 * 127) / 255), round((50 * 128 + 255 * 127) / 255)]
    assert pixels[0].tolist() == [[200, 0, 0], [255, 255, 255], half]


def test_transparency_is_composited_over_white(tmp_path):
    layers = np.random.default_rng(1).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    layers[0, 0, 3], layers[0, 1, 3] = 0, 255
    pixels = decoded(tmp_path, saved(pillow.fromarray(layers), "PNG"))
    alpha = layers[..., 3:] / 255
    want = np.floor(layers[..., :3] * alpha + 255 * (1 - alpha) + 0.5)
    assert np.abs(pixels - want).max() == 0
    assert pixels[0, 0].tolist() == [255] * 3 and pixels[0, 1].tolist() == layers[0, 1, :3].tolist()


def test_cmyk_is_converted(tmp_path):
    pixels = decoded(tmp_path, saved(pillow.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_exif_orientation_is_applied(tmp_path, orientation, kind):
    exif = pillow.Exif()
    exif[0x0112] = orientation
    data = saved(pillow.fromarray(noise(5, 8)), kind, exif=exif)
    want = np.asarray(ImageOps.exif_transpose(pillow.open(io.BytesIO(data))))
    assert np.array_equal(decoded(tmp_path, data), want)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_exif_block_does_not_hide_the_image(tmp_path):
    pixels = noise(5, 8)
    data = saved(pillow.fromarray(pixels), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f\0\0")
    assert np.array_equal(decoded(tmp_path, data), pixels)


def test_first_frame_of_an_animation(tmp_path):
    frames = [pillow.new("RGB", (6, 4), colour) for colour in ("red", "lime", "blue")]
    pixels = decoded(tmp_path, saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert pixels.reshape(-1, 3).tolist() == [[255, 0, 0]] * 24


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_an_image_20000_pixels_wide(tmp_path, mode):
    depth = {"RGB": 3, "RGBA": 4, "I;16": 1}[mode]
    values = np.zeros((300, 20_000, depth), np.uint8) if depth > 1 else np.zeros((300, 20_000), np.uint16)
    values[:, :10_000] = 255 if depth > 1 else 65535
    if mode == "RGBA":
        values[..., 3] = 255
    pixels = decoded(tmp_path, saved(pillow.fromarray(values), "PNG", compress_level=1))  # more than one strip
    assert pixels.shape == (300, 20_000, 3)
    assert pixels[:, :10_000].min() == 255 and pixels[:, 10_000:].max() == 0


def test_strips_do_not_show(tmp_path, monkeypatch):
    data = saved(pillow.fromarray(noise(37, 11)).convert("P", palette=pillow.Palette.ADAPTIVE), "PNG")
    whole = decoded(tmp_path, data)
    monkeypatch.setattr(images, "_STRIP", 40)
    assert np.array_equal(decoded(tmp_path, data), whole)


# --- what cannot


def refused(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        images.decode(path)
    message = str(caught.value)
    assert message.startswith("photo.jpg ") and "\n" not in message and str(tmp_path) not in message
    return message


def test_empty_file(tmp_path):
    assert refused(tmp_path, b"") == "photo.jpg is empty (0 bytes)"


@pytest.mark.parametrize("data", [b"hello, world\n" * 50, b"\0" * 500, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_not_an_image(tmp_path, data):
    assert "is not an image" in refused(tmp_path, data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_truncated(tmp_path, kind):
    data = saved(pillow.fromarray(noise(64, 64)), kind)
    message = refused(tmp_path, data[: len(data) // 2])
    assert "truncated" in message or "damaged" in message
    if kind in ("JPEG", "PNG"):
        assert f"is truncated: its {kind} data ends before all 64 x 64 pixels are there" in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncated_in_the_header(tmp_path, kind):
    data = saved(pillow.fromarray(noise(64, 64)), kind)
    assert f"starts like a {kind} file" in refused(tmp_path, data[:20])


def test_flipped_bits(tmp_path):
    data = bytearray(saved(pillow.fromarray(noise(64, 64)), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert "PNG data is damaged" in refused(tmp_path, bytes(data))


def test_pixels_without_an_8_bit_range(tmp_path):
    assert "pixels of mode F" in refused(tmp_path, saved(pillow.new("F", (4, 4), 0.5), "TIFF"))
    assert "pixels of mode I" in refused(tmp_path, saved(pillow.new("I", (4, 4), 9), "TIFF"))


HUGE = [(19_999, 19_999), (400_000_000, 1), (1, 400_000_000), (65_536, 1), (1, 65_536), (11_586, 11_586), (40_000, 40_000),
        (2**31 - 1, 2**31 - 1)]  # fmt: skip


@pytest.mark.parametrize(("width", "height"), HUGE)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_larger_than_the_limit(tmp_path, width, height):
    assert "at most 134,217,728 pixels, 65,535 a side" in refused(tmp_path, png(width, height, 8, 2, b""))


def test_as_large_as_the_limits(tmp_path):
    assert decoded(tmp_path, png(65_535, 1, 1, 0, b"\0" * 8193)).shape == (1, 65_535, 3)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path):
    with open(tmp_path / "photo.jpg", "wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # sparse
    with pytest.raises(ImageError, match=r"photo.jpg has 2,147,483,649 bytes; .* at most"):
        images.decode(tmp_path / "photo.jpg")


MEMORY = """
import resource, sys, warnings
from pathlib import Path
from ganaudit import images
from ganaudit.errors import ImageError

warnings.simplefilter("ignore")
before, kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        images.decode(path)
    except ImageError as error:
        kept.append(error)
print(len(kept), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_images_that_are_refused_take_no_memory_though_their_errors_are_kept(tmp_path):
    """19,999 x 19,999 zeros compress to 1.2 MB: decoding one would take a gigabyte."""
    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(20_000)) for _ in range(19_999)]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 19_999, 19_999, 8, 0, 0, 0, 0))
    whole = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"".join(rows) + packer.flush()) + chunk(b"IEND", b"")
    (tmp_path / "0.png").write_bytes(whole)
    for number, (width, height) in enumerate(HUGE, 1):
        (tmp_path / f"{number}.png").write_bytes(png(width, height, 8, 2, b""))
    code = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(code, cwd=Path(images.__file__).parents[1], capture_output=True, text=True, check=True)
    refusals, kilobytes = map(int, done.stdout.split())
    assert refusals == 1 + len(HUGE) and kilobytes < 50_000


def test_large_images_of_many_threads_wait_for_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_AT_ONCE", images.PixelBudget(250))
    (tmp_path / "x.png").write_bytes(saved(pillow.new("RGB", (10, 10)), "PNG"))
    at_work, most, lock = [0], [0], threading.Lock()
    plain = images._rgb

    def slow(*arguments):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.01)
        try:
            return plain(*arguments)
        finally:
            with lock:
                at_work[0] -= 1

    monkeypatch.setattr(images, "_rgb", slow)
    with ThreadPoolExecutor(8) as pool:
        shapes = {pixels.shape for pixels in pool.map(lambda _: images.decode(tmp_path / "x.png"), range(24))}
    assert shapes == {(10, 10, 3)} and most == [2]


def test_a_share_comes_back_when_decoding_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_AT_ONCE", images.PixelBudget(64 * 64))
    for _ in range(3):
        assert "truncated" in refused(tmp_path, saved(pillow.fromarray(noise(64, 64)), "JPEG")[:900])
    assert decoded(tmp_path, saved(pillow.fromarray(noise(64, 64)), "PNG")).shape == (64, 64, 3)


def test_decoding_to_a_size_is_decoding_then_resizing(tmp_path):
    (tmp_path / "x.png").write_bytes(saved(pillow.fromarray(noise(30, 41)), "PNG"))
    for how in images.FITS:
        want = images.resize(images.decode(tmp_path / "x.png"), (16, 12), how)
        assert np.array_equal(images.decode(tmp_path / "x.png", size=(16, 12), how=how), want)


def test_missing_folder_and_pipe(tmp_path):
    with pytest.raises(ImageError, match=r"^photo.jpg cannot be opened: No such file"):
        images.decode(tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match="is not a file"):
        images.decode(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="is not a file"):
        images.decode(tmp_path / "pipe.jpg")


def test_the_name_in_the_message_is_the_callers(tmp_path):
    with pytest.raises(ImageError, match=r"^a/b.jpg cannot be opened"):
        images.decode(tmp_path / "b.jpg", name="a/b.jpg")


def test_a_failing_machine_is_not_blamed_on_the_file(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    pillow.fromarray(noise(4, 4)).save(path)

    def fail(image: pillow.Image) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(OSError, match="Input/output"):
        images.decode(path)


def test_any_damage_ends_in_an_image_or_an_image_error(tmp_path):
    draw = random.Random(0)
    picture = pillow.fromarray(noise(24, 31))
    path = tmp_path / "photo.img"
    for kind in ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP"):
        whole = saved(picture, kind)
        for attempt in range(40):
            data = bytearray(whole[: draw.randrange(len(whole))] if attempt % 3 == 0 else whole)
            for _ in range(draw.choice([1, 3, 10]) if data else 0):
                data[draw.randrange(min(len(data), 200 if attempt % 3 == 1 else len(data)))] = draw.randrange(256)
            path.write_bytes(data)
            try:
                images.decode(path)
            except ImageError as error:
                assert str(error).startswith("photo.img ")


# --- resizing


def reference(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """Antialiased bilinear resize, written as its definition: a triangle as wide as the reduction, both ways."""

    def matrix(have: int, to: int) -> NDArray[np.float64]:
        scale = have / to
        support = max(scale, 1.0)
        weights = np.zeros((to, have))
        for i in range(to):
            for j in range(have):
                weights[i, j] = max(0.0, 1 - abs(j + 0.5 - (i + 0.5) * scale) / support)
            weights[i] /= weights[i].sum()
        return weights

    h, w = pixels.shape[:2]
    return np.einsum("ab,bcd,ec->aed", matrix(h, height), pixels.astype(float), matrix(w, width))


@pytest.mark.parametrize(("shape", "size"), [((40, 50), (16, 20)), ((9, 7), (20, 31)), ((33, 20), (33, 8))])
def test_stretch_is_the_antialiased_triangle(shape, size):
    pixels = noise(*shape)
    assert np.abs(images.resize(pixels, size, "stretch") - reference(pixels, *size)).max() <= 1.01


@pytest.mark.parametrize("shape", [(40, 50), (50, 40), (48, 131), (33, 33), (20, 47)])
def test_crop_is_short_side_to_size_then_the_centre(shape):
    pixels, side = noise(*shape), 32
    h, w = shape
    full = (side, int(side * w / h)) if h <= w else (int(side * h / w), side)
    top, left = round((full[0] - side) / 2.0), round((full[1] - side) / 2.0)
    want = reference(pixels, *full)[top : top + side, left : left + side]
    got = images.resize(pixels, (side, side))
    assert got.shape == (side, side, 3) and np.abs(got - want).max() <= 1.01


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40), st.sampled_from(["crop", "stretch"]))
def test_resize_gives_the_size_and_stays_in_range(h, w, height, width, how):
    flat = np.full((h, w, 3), 77, dtype=np.uint8)
    got = images.resize(flat, (height, width), how)
    assert got.shape == (height, width, 3) and got.dtype == np.uint8 and np.all(got == 77)


def test_right_size_is_left_alone():
    pixels = noise(32, 48)
    assert images.resize(pixels, (32, 48)) is pixels


def test_a_thin_strip_needs_no_more_memory_than_its_result():
    """Scaled as a whole, 256 x 5,120,000 pixels would stand between."""
    got = images.resize(noise(1, 20_000), (256, 256))
    assert got.shape == (256, 256, 3)
    strip = noise(20, 20_000)
    assert np.abs(images.resize(strip, (20, 20)).astype(int) - strip[:, 9_990:10_010]).max() == 0


def test_unknown_way_to_resize():
    with pytest.raises(ValueError, match="crop, stretch"):
        images.resize(noise(4, 4), (2, 2), "pad")  # type: ignore[arg-type]


# --- digests


def test_digest_is_of_shape_and_pixels():
    pixels = noise(6, 4)
    want = hashlib.blake2b(struct.pack("<3q", 6, 4, 3) + pixels.tobytes(), digest_size=16).hexdigest()
    assert images.digest(pixels) == want
    assert images.digest(pixels.reshape(4, 6, 3)) != want
    assert images.digest(np.asfortranarray(pixels)) == want
    assert images.digest(pixels[::-1]) != want
    with pytest.raises(ValueError, match="8-bit"):
        images.digest(pixels.astype(np.float32))


# --- ranges


def test_bytes_and_unit_range_are_inverse_for_every_value():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    unit = images.to_unit(pixels)
    assert unit.shape == (1, 3, 16, 16) and unit.dtype == torch.float32 and unit.is_contiguous()
    assert unit.min() == -1 and unit.max() == 1
    assert np.allclose(unit.numpy(), np.moveaxis(pixels, -1, 1) / 255 * 2 - 1, atol=1e-7)
    assert np.array_equal(images.to_bytes(unit).numpy(), pixels)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_a_batch_is_its_images(n, h, w, seed):
    batch = np.random.default_rng(seed).integers(0, 256, (n, h, w, 3), dtype=np.uint8)
    unit = images.to_unit(batch)
    assert torch.equal(unit, torch.cat([images.to_unit(image) for image in batch]))
    assert torch.equal(unit, images.to_unit(torch.from_numpy(batch)))
    assert np.array_equal(images.to_bytes(unit).numpy(), batch)


def test_to_bytes_clamps_and_rounds_to_nearest():
    values = torch.tensor([-7.0, -1.0, -0.5, 0.0, 1 / 127.5 * 0.49, 1 / 127.5 * 0.51, 0.999, 1.0, 3.0])
    want = [min(255, max(0, round((float(v) + 1) * 127.5))) for v in values]
    got = images.to_bytes(values.reshape(1, 1, 1, -1).expand(1, 3, 1, -1))
    assert got.shape == (1, 1, 9, 3) and got.dtype == torch.uint8 and got[0, 0, :, 2].tolist() == want
    half = images.to_bytes(torch.tensor([0.25], dtype=torch.bfloat16).reshape(1, 1, 1, 1).expand(1, 3, 1, 1))
    assert half.flatten().tolist() == [159] * 3


def test_to_bytes_rounds_down_where_asked_as_the_reference_writes_its_files():
    values = torch.tensor([-0.5, 0.0, 0.5, 0.999, -1.0, 1.0, 7.0]).reshape(1, 1, 1, -1).expand(1, 3, 1, -1)
    assert images.to_bytes(values, "down")[0, 0, :, 0].tolist() == [63, 127, 191, 254, 0, 255, 255]


def test_to_bytes_leaves_its_input_alone():
    unit = torch.full((1, 3, 2, 2), 0.3, requires_grad=True)
    assert not images.to_bytes(unit).requires_grad and torch.all(unit == 0.3)


def test_to_unit_does_not_alias_and_takes_read_only_arrays():
    pixels = noise(3, 3)
    pixels.flags.writeable = False
    images.to_unit(pixels).zero_()
    assert np.array_equal(pixels, noise(3, 3))
    with pytest.raises(ValueError, match="uint8"):
        images.to_unit(pixels.astype(np.float32))  # type: ignore[arg-type]


def test_decoding_does_not_import_torch():
    code = "import sys, ganaudit.images; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(images.__file__).parents[1]).returncode == 0
