"""What a folder held, in numbers and in words: nothing is counted or dropped without a word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image as pillow

from ganaudit.datasets.contents import HIDDEN, LABELS, OTHER, SPECIAL, SYSTEM
from ganaudit.datasets.folder import FolderDataset
from ganaudit.datasets.listing import PLACES
from ganaudit.datasets.masks import MasksDataset
from ganaudit.errors import ImageError, RequestError


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pillow.new("L", (4, 4)).save(root / name, "PNG")
    return root


def said(root: Path) -> str:
    return " | ".join(FolderDataset(root).contents.sentences())


def test_a_folder_of_images_alone_has_nothing_to_say(tmp_path):
    put(tmp_path, "a.jpg", "b.JPG", "day/c.jpg", "night/c.jpg", ".DS_Store")
    assert dict(FolderDataset(tmp_path).contents.taken) == {".jpg": 4}
    assert said(tmp_path) == ""


@pytest.mark.parametrize("folder", [
    "@eaDir", "@eaDir/a.jpg", ".thumbnails", "__MACOSX", "$RECYCLE.BIN", "#recycle", "#snapshot", "System Volume Information",
    "lost+found", "sub/@eaDir", ".ipynb_checkpoints", ".Trash-1000/files",
])  # fmt: skip
def test_folders_that_machines_make_are_not_looked_into_and_named(tmp_path, folder):
    before = FolderDataset(put(tmp_path, "a.jpg", "sub/b.jpg")).recipe()
    put(tmp_path, f"{folder}/SYNOPHOTO_THUMB_XL.jpg")
    dataset = FolderDataset(tmp_path)
    assert len(dataset) == 2 and dataset.recipe() == before
    assert list(dataset.contents.skipped) == [next(part for part in Path(folder).parts if part not in ("sub", "a.jpg"))]
    assert repr(next(iter(dataset.contents.skipped))) in said(tmp_path) and "2 images were taken (2 .jpg)" in said(tmp_path)


@pytest.mark.parametrize(("name", "reason", "word"), [
    ("._a.jpg", HIDDEN, "hidden"), (".b.png", HIDDEN, "hidden"), ("Thumbs.db", SYSTEM, "machine's own"),
    ("desktop.ini", SYSTEM, "machine's own"), ("notes.txt", OTHER, "no image by its suffix"), ("x.heic", OTHER, "convert them"),
    ("x.CR2", OTHER, "convert them"), ("x.webm", OTHER, "convert them"), ("x", OTHER, "1 without a known suffix"),
    ("x.\udce9", OTHER, "1 without"), ("x.a\nb", OTHER, "1 without"), ("x." + "y" * 99, OTHER, "1 without"),
    ("a.jpg.part", OTHER, "1 .part"),
])  # fmt: skip
def test_files_that_are_left_out_are_counted_with_the_reason(tmp_path, name, reason, word):
    put(tmp_path, "a.jpg", "b.jpg", name)
    dataset = FolderDataset(tmp_path)
    assert len(dataset) == 2 and [key[0] for key in dataset.contents.left_out] == [reason]
    assert word in said(tmp_path) and "2 images were taken" in said(tmp_path)


def test_a_hundred_photos_that_cannot_be_read_beside_three_that_can(tmp_path):
    put(tmp_path, *(f"{k}.HEIC" for k in range(100)), "1.png", "2.png", "3.png")
    assert "3 images were taken (3 .png)" in said(tmp_path)
    assert "100 .heic may hold pictures" in said(tmp_path) and "convert them to PNG" in said(tmp_path)


@pytest.mark.parametrize("name", [
    "masks/a.png", "masks/other.png", "train_labels/x.png", "SegmentationClass/a.png", "a.png", "segs/a.png", "gt/a.jpg",
    "a_mask.png", "a.labels.png", "photo-seg.png", "thumbs/a.jpg", "thumbnails/zzz.webp", "Depth/a.tif",
])  # fmt: skip
def test_what_has_the_name_of_a_label_map_or_a_thumbnail_is_counted_and_told(tmp_path, name):
    put(tmp_path, "a.jpg", "b.jpg", name)
    dataset = FolderDataset(tmp_path)
    assert len(dataset) == 3 and dataset.contents.aside == (1, name)
    assert "1 of its images" in said(tmp_path) and name in said(tmp_path) and "counted as images" in said(tmp_path)


@pytest.mark.parametrize("names", [
    ["with_mask/1.jpg", "without_mask/1.jpg"], ["masks/a.png", "masks/b.png"], ["cat/1.jpg", "dog/1.jpg"],
    ["a.jpg", "b.png"], ["depths/a.jpg", "maskelyne/b.jpg"],
])  # fmt: skip
def test_names_that_say_nothing_of_label_maps_are_not_told(tmp_path, names):
    assert FolderDataset(put(tmp_path, *names)).contents.aside is None


def test_pipes_devices_sockets_and_broken_links_are_counted(tmp_path):
    put(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")  # an image that is set aside with its reason
    dataset = FolderDataset(tmp_path)
    assert len(dataset) == 2 and dict(dataset.contents.left_out) == {(SPECIAL, ".png"): 2, (SPECIAL, ".txt"): 1}


def test_label_maps_without_an_image_are_told(tmp_path):
    put(tmp_path, "a.jpg", "a.labels.png", "b.labels.png", "c.LABELS.png")
    dataset = MasksDataset(tmp_path)
    assert dict(dataset.contents.left_out) == {(LABELS, ".png"): 2}
    assert "2 .png (a label map without an image)" in dataset.contents.sentences()[0]


def test_a_folder_of_hidden_images_alone_says_so(tmp_path):
    put(tmp_path, "._a.jpg", "@eaDir/a.jpg")
    with pytest.raises(RequestError, match="holds no images: most of its other files"):
        FolderDataset(tmp_path)
    (tmp_path / "._a.jpg").unlink()
    with pytest.raises(RequestError, match="no files at all beside the folders @eaDir"):
        FolderDataset(tmp_path)


def test_folders_that_link_to_each_other_end_in_one_sentence(tmp_path):
    names = [f"f{k}" for k in range(9)]
    for name in names:
        put(tmp_path, f"{name}/{name}.jpg")
    for name in names:
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    with pytest.raises(RequestError, match=f"linked to from more than {PLACES} places"):
        FolderDataset(tmp_path)


@pytest.mark.parametrize(
    "name", ["new\nline.png", "tab\t.png", "bell\a.png", "esc\x1b[31m.png", "line\u2028.png", "del\x7f.png"]
)
def test_names_stand_on_one_line(tmp_path, name):
    (put(tmp_path, "x.png") / "x.png").rename(tmp_path / name)
    (tmp_path / f"bad {name}").write_bytes(b"no image")
    dataset = FolderDataset(tmp_path)
    for index in range(2):
        try:
            shown = dataset.image(index).name
        except ImageError as error:
            shown = str(error)
        assert shown.isprintable() and shown.startswith((name[:3], "bad ")) and "\\" in shown
    assert dataset.recipe()["names"] == 1


def test_an_image_s_label_is_the_folder_that_it_lies_in(tmp_path):
    put(tmp_path, "x.png", "dusk/x.png", "dusk/rain/y.png")
    dataset = FolderDataset(tmp_path)
    result = {image.name: image.label for image in map(dataset.image, range(3))}
    assert result == {"x.png": None, "dusk/x.png": "dusk", "dusk/rain/y.png": "dusk/rain"}


def test_only_folders_with_folders_get_another_key(tmp_path):
    put(tmp_path / "flat", "x.png", "y.png")
    put(tmp_path / "deep", "x.png", "dusk/y.png")
    assert "names" not in FolderDataset(tmp_path / "flat").recipe()
    assert FolderDataset(tmp_path / "deep").recipe()["names"] == 1
    for name in ("x", "dusk/y"):
        pillow.new("L", (4, 4)).save((tmp_path / "deep" / name).with_suffix(".labels.png"))
    masks = MasksDataset(tmp_path / "deep")
    assert masks.recipe()["names"] == 1 and {masks.image(k).label for k in range(2)} == {None, "dusk"}


def test_a_file_too_large_to_be_an_image_is_not_read_through_for_its_digest(tmp_path):
    put(tmp_path, "a.png")
    with open(tmp_path / "sparse.png", "wb") as file:
        file.truncate(2**40)
    dataset = FolderDataset(tmp_path)
    assert dataset.recipe()["images"] == 2
    errors = []
    for index in range(2):
        try:
            dataset.image(index)
        except ImageError as error:
            errors.append(str(error))
    assert len(errors) == 1 and "sparse.png has 1,099,511,627,776 bytes" in errors[0]
