"""Images in Parquet files."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyarrow import parquet
from stored_files import (
    as_folder,
    as_parquet,
    encoded,
    opened,
    rows,
)

from ganaudit.datasets import parquet as parquet_kind
from ganaudit.errors import ImageError, RequestError


def test_rows_without_images_are_set_aside(tmp_path):
    cells = [
        {"bytes": encoded(1), "path": "a.png"},
        None,
        {"bytes": None, "path": "c.png"},
        {"bytes": encoded(2), "path": None},
    ]
    parquet.write_table(pa.table({"image": cells}), tmp_path / "x.parquet")
    dataset = opened("parquet", tmp_path / "x.parquet")
    reasons = {}
    for index in range(4):
        try:
            dataset.image(index)
        except ImageError as error:
            reasons[dataset.name(index)] = str(error)
    assert reasons["000000001"].endswith("its row has no image") and "only a path" in reasons["000000002"] and len(reasons) == 2


def test_labels_and_clusters_of_parquet(tmp_path):
    table = pa.table({"img": [encoded(k) for k in range(3)], "label": [1, 0, None], "scene": ["a", "a", "b"]})
    feature = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(feature)}), tmp_path / "x.parquet")
    dataset = opened("parquet", tmp_path / "x.parquet", clusters="scene")
    assert sorted((row[0], row[2], row[3]) for row in rows(dataset)) == [
        ("000000000", "dog", "a"), ("000000001", "cat", "a"), ("000000002", None, "b"),
    ]  # fmt: skip
    with pytest.raises(RequestError, match=r"no column 'colour'; it has 'img', 'label', 'scene'"):
        opened("parquet", tmp_path / "x.parquet", labels="colour")
    with pytest.raises(RequestError, match=r"'scene' holds no images"):
        opened("parquet", tmp_path / "x.parquet", image="scene")


def test_columns_that_may_both_be_images(tmp_path):
    parquet.write_table(pa.table({"x": [encoded(1)], "y": [encoded(2)]}), tmp_path / "x.parquet")
    with pytest.raises(RequestError, match=r"'x', 'y'.*name one in `image`"):
        opened("parquet", tmp_path / "x.parquet")
    assert len(opened("parquet", tmp_path / "x.parquet", image="y")) == 1


def test_few_row_groups_are_kept(tmp_path, monkeypatch):
    kind, path = as_parquet({f"{k}.png": encoded(k) for k in range(9)}, tmp_path)
    groups = parquet_kind._RowGroups()
    monkeypatch.setattr(parquet_kind, "_GROUPS", groups)
    monkeypatch.setattr(parquet_kind, "KEPT", 1)
    assert rows(opened(kind, path)) == rows(opened(*as_folder({f"{k}.png": encoded(k) for k in range(9)}, tmp_path)))
    assert len(groups._kept) == 1
