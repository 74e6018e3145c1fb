"""Parts of a collection: by order, by a list of names, by seed, as the reference samples; labels of published sets."""

from __future__ import annotations

import json
import random
import re

import pytest
from stored_files import FILES, as_folder, as_parquet, as_shards, as_zip, encoded, opened, rows

from ganaudit.context import Context
from ganaudit.datasets.folder import FolderSource, open_folder
from ganaudit.errors import ImageError, RequestError


def names(dataset):
    return [dataset.name(index) for index in range(len(dataset))]


@pytest.mark.parametrize("way", [as_folder, as_zip])
def test_parts_of_an_order_are_disjoint_and_all_of_it(tmp_path, way):
    kind, path = way(FILES, tmp_path)
    ordered = sorted(FILES, key=str.encode)
    assert names(opened(kind, path, order="sorted", seed=4)) == ordered
    shuffled = list(ordered)
    random.Random(4).shuffle(shuffled)
    first, rest = (opened(kind, path, seed=4, part=part) for part in ((0, 2), (2, 6)))
    assert (names(first), names(rest)) == (shuffled[:2], shuffled[2:]) and first.recipe() != rest.recipe()
    assert rows(first) == rows(opened(kind, path, seed=4))[:2]
    assert "part" not in opened(kind, path).recipe() and "order" not in opened(kind, path).recipe()
    with pytest.raises(RequestError, match=r"\[4, 7\].*≤ 6"):
        opened(kind, path, part=(4, 7))
    with pytest.raises(IndexError):
        first.image(2)


@pytest.mark.parametrize("way", [as_zip, as_shards, as_parquet])
def test_a_list_chooses_the_same_images_in_every_kind(tmp_path, way):
    (tmp_path / "list.txt").write_text("b/2.png\n\n1.png\ngone/7.png\n1.png\nb/5.jpg\n")
    want = opened(*as_folder(FILES, tmp_path), list=tmp_path / "list.txt", seed=1)
    got = opened(*way(FILES, tmp_path), list=tmp_path / "list.txt", seed=1)
    assert len(got) == 4 and (rows(got), got.recipe(), got.contents.taken) == (rows(want), want.recipe(), want.contents.taken)
    with pytest.raises(ImageError, match=r"gone/7\.png is not there"):
        got.image(names(got).index("gone/7.png"))
    (tmp_path / "list.txt").write_text("photos/1.png\n")
    with pytest.raises(RequestError, match=r"no image of the 6.*'photos/1\.png'.*'1\.png'"):
        opened(*way(FILES, tmp_path), list=tmp_path / "list.txt")


def test_images_of_a_list_that_have_no_class_lie_in_their_folders_in_every_kind(tmp_path):
    (tmp_path / "list.txt").write_text("b/2.png\nb/10.png\n")
    files = FILES | {"dataset.json": json.dumps({"labels": [["1.png", 6]]}).encode()}
    folder, packed = (opened(*way(files, tmp_path), list=tmp_path / "list.txt") for way in (as_folder, as_zip))
    assert [folder.image(index).label for index in range(2)] == ["b", "b"]
    assert (rows(folder), folder.recipe()) == (rows(packed), packed.recipe())


def test_the_references_sample_is_one_word(tmp_path):
    asked = FolderSource(name="photos", kind="folder", path=tmp_path, preset="bau-2019")
    assert (asked.seed, asked.resize, asked.how, asked.count) == (1, 256, "crop", 10_000)
    as_folder({f"{k}.png": encoded(k) for k in range(10)}, tmp_path)
    dataset = open_folder(asked.model_copy(update={"path": tmp_path / "folder"}), Context(tmp_path))
    assert names(dataset) == [f"{k}.png" for k in (6, 8, 9, 7, 5, 3, 0, 4, 1, 2)]  # Python's random, seed 1
    assert dataset.image(0).pixels.shape == (256, 256, 3)
    with pytest.raises(ValueError, match="sets resize to 256 and 128 is asked for"):
        FolderSource(name="photos", kind="folder", path=tmp_path, preset="bau-2019", resize=128)


def test_a_folder_of_stylegans_says_its_labels_like_its_zip(tmp_path):
    said = {"labels": [["b/2.png", 6], ["1.png", [0.5, 1]]]}
    files = FILES | {"dataset.json": json.dumps(said).encode()}
    folder, packed = (opened(*way(files, tmp_path)) for way in (as_folder, as_zip))
    assert {row[0]: row[2] for row in rows(folder) if len(row) > 2} | {"ä 4.webp": None} == {
        "b/2.png": "6", "1.png": "[0.5, 1]", "b/c/3.jpg": None, "ä 4.webp": None, "b/10.png": None
    }  # fmt: skip
    assert (rows(folder), folder.recipe(), folder.contents) == (rows(packed), packed.recipe(), packed.contents)
    said = {"labels": [["c/2.png", 6]]}
    files = FILES | {"dataset.json": json.dumps(said).encode()}
    for way, where in ((as_folder, ""), (as_zip, r"\w+\.zip: ")):
        (note,) = opened(*way(files, tmp_path)).notes
        assert re.fullmatch(where + r"dataset\.json labels none of its images: it names such as 'c/2\.png', they are .*", note)
    (tmp_path / "folder/dataset.json").write_text('{"something": "else"}')
    assert rows(opened("folder", tmp_path / "folder"))[0][2] != "6"
    assert opened("folder", tmp_path / "folder").contents.left_out == {("other", ".json"): 1}


def test_celebas_own_table(tmp_path):
    as_folder({f"{k:06d}.jpg": encoded(k, "JPEG") for k in (1, 2)}, tmp_path)
    table = tmp_path / "list_attr_celeba.txt"
    table.write_text("2\nEyeglasses Male Smiling \n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n")
    said = rows(opened("csv", table, folder=tmp_path / "folder", attributes=("Smiling", "Eyeglasses")))
    assert {row[0]: row[2] for row in said} == {"000001.jpg": "Smiling", "000002.jpg": "Eyeglasses"}
    male = opened("folder", tmp_path / "folder", label={"csv": table, "column": "Male"})
    assert sorted((row[0], row[2]) for row in rows(male)) == [("000001.jpg", "1"), ("000002.jpg", "-1")]
    with pytest.raises(RequestError, match=r"no column 'Hat'; it has 'Eyeglasses', 'Male', 'Smiling'"):
        opened("csv", table, attributes=("Hat",))
    table.write_text("000001.jpg 1 1\n")
    with pytest.raises(RequestError, match="is not as CelebA's"):
        opened("csv", table)


@pytest.mark.parametrize("way", [as_folder, as_zip])
def test_celebas_partition_and_identities(tmp_path, way):
    kind, path = way({f"{k:06d}.jpg": encoded(k, "JPEG") for k in (1, 2, 3)}, tmp_path)
    partition, identity = tmp_path / "list_eval_partition.txt", tmp_path / "identity_CelebA.txt"
    partition.write_text("000001.jpg 0\n000002.jpg 2\n000003.jpg 2\n")
    identity.write_text("000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n")
    chosen = {"csv": partition, "column": "partition", "value": 2}
    faces = opened(kind, path, list=chosen, cluster={"csv": identity, "column": "identity"})
    assert {faces.image(index).name: faces.image(index).cluster for index in range(2)} == {
        "000002.jpg": "2937", "000003.jpg": "2880"
    }  # fmt: skip
    (tmp_path / "two.txt").write_text("000002.jpg\n000003.jpg\n")
    assert opened(kind, path, list=tmp_path / "two.txt").recipe() == opened(kind, path, list=chosen).recipe()
    with pytest.raises(RequestError, match=r"no line of .*partition\.txt has '7' in its column 'partition'; it has '0', '2'"):
        opened(kind, path, list=chosen | {"value": "7"})


def test_one_image_is_listed_by_the_column_of_the_names(tmp_path):
    kind, path = as_folder({f"{k}.jpg": encoded(k, "JPEG") for k in (1, 2)}, tmp_path)
    table = tmp_path / "names.csv"
    chosen = {"csv": table, "column": "name", "value": "2.jpg"}
    table.write_text("name,split\n1.jpg,a\n2.jpg,b\n")
    assert opened(kind, path, list=chosen).image(0).name == "2.jpg"
    table.write_text("name,split\n1.jpg,a\n2.jpg,b\n2.jpg,a\n")
    with pytest.raises(RequestError, match=r"says 'b' and 'a' of the image '2\.jpg'; keep one line of it"):
        opened(kind, path, list=chosen | {"column": "split", "value": "a"})
    table.write_text("name,split\n")
    with pytest.raises(RequestError, match="it has no lines"):
        opened(kind, path, list=chosen)


def test_omniglot_is_a_folder_whose_labels_are_its_characters(tmp_path):
    files = {f"Latin/character{c:02d}/{c:04d}_{k:02d}.png": encoded(c) for c in (1, 2) for k in (1, 2)}
    assert {row[2] for row in rows(opened(*as_folder(files, tmp_path)))} == {"Latin/character01", "Latin/character02"}
