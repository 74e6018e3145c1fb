"""Images that a list or a table names."""

from __future__ import annotations

import random
from typing import Any

import pytest
from stored_files import (
    FILES,
    as_folder,
    opened,
    rows,
)

from ganaudit.errors import ImageError, RequestError


def test_a_list_of_images(tmp_path):
    _, folder = as_folder(FILES, tmp_path)
    (tmp_path / "list.txt").write_text("b/2.png\n\n1.png\ngone/7.png\n1.png\n")
    dataset = opened("folder", folder, list=tmp_path / "list.txt", seed=1)
    order = [0, 1, 2]
    random.Random(1).shuffle(order)
    assert [dataset.name(index) for index in range(3)] == [["1.png", "b/2.png", "gone/7.png"][k] for k in order]
    with pytest.raises(ImageError, match=r"gone/7\.png is not there"):
        dataset.image([dataset.name(index) for index in range(3)].index("gone/7.png"))
    (tmp_path / "list.txt").write_text("../x.png\n")
    with pytest.raises(RequestError, match=r"'\.\./x\.png', which leads out of it"):
        opened("folder", folder, list=tmp_path / "list.txt")


def test_a_table_of_images(tmp_path):
    as_folder(FILES, tmp_path)
    table = tmp_path / "photos.csv"
    table.write_text("file,scene,Smiling,Male\nb/2.png,s1,1,-1\n1.png,s2,1,1\nb/10.png,,0,0\nleft.png,s1,1,0\n")
    how: dict[str, Any] = {"folder": tmp_path / "folder", "names": "file"}
    dataset = opened("csv", table, **how, clusters="scene", attributes=("Smiling", "Male"))
    said = {row[0]: row[1:] for row in rows(dataset)}
    assert said["left.png"] == ("set aside",) and len(dataset) == 4
    assert {name: row[1:] for name, row in said.items() if name != "left.png"} == {
        "b/2.png": ("Smiling", "s1"), "1.png": ("Smiling, Male", "s2"), "b/10.png": (None, None),
    }  # fmt: skip
    assert {row[2] for row in rows(opened("csv", table, **how, labels="scene")) if len(row) > 2} == {"s1", "s2", None}
    with pytest.raises(RequestError, match=r"no column 'path'"):
        opened("csv", table)
    with pytest.raises(RequestError, match=r"'scene' is 's\d'; it has to be 1 or 0"):
        opened("csv", table, **how, attributes=("scene",))
    table.write_text("path,scene\n1.png,a\n1.png,b\n")
    with pytest.raises(RequestError, match=r"of the image '1\.png'; keep one line"):
        opened("csv", table, clusters="scene")
