"""A block is a pure function: the same rows at any number of workers, in any order, killed and resumed, or from a folder."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image as pillow

from ganaudit import __version__
from ganaudit import spec as specs
from ganaudit.auditing import run as audit
from ganaudit.auditing.driver import on_threads
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import schema
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.sources.opening import GeneratorSource, open_source
from ganaudit.sources.roles import GENERATED, SourceRole
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import missing

HERE = Path(__file__).parents[2]
NOISE = {"name": "g", "kind": "tiny_models:Noise"}


@pytest.fixture(autouse=True)
def opened_anew():
    blocks.forget()


def spec(store: Path, *generators, parser="", real=None, folder=HERE, **sample):
    data = {"name": "n", "folder": str(folder), "store": str(store), "generators": list(generators or [NOISE]),
            "parser": {"kind": "tiny_models:Brightness", "options": {"fault": parser}},
            "real": real or {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 300}},
            "sample": {"count": 1500, **sample}}  # fmt: skip
    return specs.parse(data)


def begun(asked):
    planned, store = audit.prepared(asked)
    return planned, store, missing(planned, store)


def worked(asked, workers=1) -> dict[str, pa.Table]:
    _, store, tasks = begun(asked)
    list(on_threads(workers)(tasks))
    return rows(store)


def rows(store: Store) -> dict[str, pa.Table]:
    """Everything in the record tables of images, as one sorted table each."""
    result = {}
    for table in (IMAGES, CLASS_PIXELS):
        parts = [store.read(table, path) for path in sorted(store.files(table.name))]
        result[table.name] = pa.concat_tables(parts).sort_by([("key", "ascending"), *((n, "ascending") for n in table.sort)])
    return result


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The rows of a real source and two generators, made one block after the other."""
    return worked(three(tmp_path_factory.mktemp("reference")))


def three(store):
    return spec(store, NOISE, {"name": "h", "kind": "tiny_models:Noise", "options": {"light": 0.4}})


# the records


def test_every_row_is_what_a_loop_over_the_pixels_counts(tmp_path, reference):
    asked = three(tmp_path)
    planned = plan(asked)
    parser = blocks.opened(missing(planned, Store(tmp_path))[0])[0]
    source = open_source(SourceRole(GENERATED, 1), asked.generators[1], parser, asked.context("cpu", "float32"))
    key = planned.sources[2].key
    batch = source.read(range(1100, 1110))
    images = reference["images"].filter(pc.equal(reference["images"]["key"], key)).to_pylist()[1100:1110]
    counted = reference["class_pixels"].filter(pc.equal(reference["class_pixels"]["key"], key)).to_pylist()
    for row, pixels, name in zip(images, batch.pixels.numpy(), batch.names, strict=True):
        assert (row["name"], row["pixels"], row["status"], row["error"]) == (name, 64, "ok", None)
        grey = pixels.astype(np.float64).mean(axis=2) / 255
        labels = 1 + (grey > 0.4) + (grey > 0.6)
        own = [result for result in counted if result["image"] == row["image"]]
        assert [result["class_id"] for result in own] == np.unique(labels).tolist()
        for result in own:
            y, x = np.nonzero(labels == result["class_id"])
            assert [result[n] for n in ("pixels", "x_sum", "y_sum", "x_min", "y_min", "x_max", "y_max")] == [
                len(x), x.sum(), y.sum(), x.min(), y.min(), x.max(), y.max(),
            ]  # fmt: skip
            assert result["confidence"] == pytest.approx((0.5 + abs(grey - 0.5))[y, x].mean(), abs=1e-4)
        assert row["confidence"] == pytest.approx((0.5 + abs(grey - 0.5)).mean(), abs=1e-4)


def test_files_are_sorted_hold_the_documented_columns_and_a_footer(tmp_path):
    asked = spec(tmp_path, batch=32)
    planned, store, tasks = begun(asked)
    list(on_threads(1)(tasks))
    for table in (IMAGES, CLASS_PIXELS):
        paths = sorted(store.files(table.name))
        assert len(paths) == 3
        for path in paths:
            file = pq.ParquetFile(path)
            assert file.schema_arrow.names == [column.name for column in table.columns]
            assert all(file.metadata.row_group(0).column(i).compression == "ZSTD" for i in range(len(table.columns)))
            values = file.read()
            assert values.remove_column(0).equals(values.sort_by([(n, "ascending") for n in table.sort]).remove_column(0))
            first, last = (int(n) for n in re.fullmatch(r"shard-(\d{9})-(\d{9})\.parquet", path.name).groups())
            assert pc.min(values["image"]).as_py() == first and pc.max(values["image"]).as_py() == last
            footer = {k.decode(): v.decode() for k, v in file.schema_arrow.metadata.items() if k.startswith(b"ganaudit.")}
            assert footer["ganaudit.schema_version"] == str(schema.SCHEMA_VERSION)
            assert footer["ganaudit.code"] == __version__ and footer["ganaudit.torch"] == torch.__version__
            assert footer["ganaudit.device"] == "cpu" and footer["ganaudit.batch"] == "32" and footer["ganaudit.recipe"]
            assert path.parent.name in {f"key={source.key}" for source in planned.sources}


def test_blocks_are_done_whole_whatever_count_is_asked_for(tmp_path):
    real = {"name": "r", "kind": "tiny_models:Ramp", "options": {"images": 300}, "count": 5}
    keys = worked(spec(tmp_path, real=real, count=2))["images"]["key"]
    assert sorted(pc.value_counts(keys).field("counts").to_pylist()) == [64, 64]  # the smallest block


# the same rows


@pytest.mark.parametrize("workers", [2, 4])
def test_the_number_of_workers_changes_no_row(tmp_path, reference, workers):
    assert worked(three(tmp_path), workers) == reference


def test_the_order_of_blocks_changes_no_row(tmp_path, reference):
    _, store, tasks = begun(three(tmp_path))
    random.Random(1).shuffle(tasks)
    for task in tasks:
        blocks.forget()
        assert blocks.make_block(task).images == task.last - task.first + 1
    assert rows(store) == reference


def test_killed_between_class_pixels_and_images_and_resumed_the_rows_are_the_same(tmp_path, reference, monkeypatch):
    link, written = os.link, []

    def killed(source, target):
        written.append(str(target))
        if "/images/" in str(target) and len(written) > 3:
            raise KeyboardInterrupt
        link(source, target)

    _, store, tasks = begun(three(tmp_path))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "link", killed)
        for task in tasks:
            blocks.make_block(task)
    half = store.shard("class_pixels", tasks[1].key, tasks[1].first, tasks[1].last)
    assert half.exists() and not store.shard("images", tasks[1].key, tasks[1].first, tasks[1].last).exists()
    assert len(begun(three(tmp_path))[2]) == len(tasks) - 1
    assert worked(three(tmp_path)) == reference


def test_a_block_made_twice_is_the_block_made_once(tmp_path, reference):
    _, store, tasks = begun(three(tmp_path))
    for task in [*tasks, *tasks]:
        blocks.make_block(task)
    assert rows(store) == reference


def test_labels_do_not_depend_on_the_batch_for_a_parser_that_looks_at_pixels_alone(tmp_path, reference):
    assert worked(three(tmp_path).model_copy(update={"sample": specs.Sample(count=1500, batch=256)})) == reference


def test_another_device_and_a_second_source_in_one_process_do_not_disturb_each_other(tmp_path, reference):
    worked(spec(tmp_path / "other", {"name": "g", "kind": "tiny_models:Noise", "options": {"light": -0.4}}))
    assert worked(three(tmp_path / "mine")) == reference


# a folder of what the generator made


@pytest.mark.parametrize("side", [8, 12])
def test_a_folder_of_a_generator_s_images_has_the_generator_s_records(tmp_path, side):
    live = {"name": "live", "kind": "tiny_models:Noise", "options": {"resolution": side}}
    asked = spec(tmp_path / "s", live, count=1024)
    planned = plan(asked)
    parser, _ = blocks.opened(missing(planned, Store(tmp_path / "s"))[0])
    full = asked.model_copy(update={"generators": (asked.generators[0].model_copy(update={"resize": side}),)})
    (tmp_path / "pngs").mkdir()
    source = open_source(SourceRole(GENERATED), full.generators[0], parser, full.context("cpu", "float32"))
    for number, pixels in enumerate(source.read(range(1024)).pixels):
        pillow.fromarray(pixels.numpy()).save(tmp_path / "pngs" / f"{number}.png", compress_level=0)
    both = spec(tmp_path / "s", live, {"name": "made", "kind": "folder", "path": str(tmp_path / "pngs")}, count=1024)
    result, keys = worked(both), {source.name: source.key for source in plan(both).sources}

    def by_name(name):
        images = {row["image"]: row for row in result["images"].to_pylist() if row["key"] == keys[name]}
        number = {image: int(re.search(r"\d+", row["name"])[0]) for image, row in images.items()}
        digests = {number[image]: (row["digest"], row["confidence"], row["pixels"]) for image, row in images.items()}
        own = [row for row in result["class_pixels"].to_pylist() if row["key"] == keys[name]]
        return digests, sorted((number[row["image"]], *list(row.values())[2:]) for row in own)

    assert by_name("live") == by_name("made")
    assert [row["name"] for row in result["images"].to_pylist() if row["key"] == keys["made"]][:3] != [
        "0.png",
        "1.png",
        "2.png",
    ]


# what parsers may do wrong


@pytest.mark.parametrize("fault, reason", [
    ("floats", "label maps are an integer tensor"), ("flat", "label maps are an integer tensor"),
    ("one image less", "label maps are an integer tensor"), ("unlike shapes", "confidences have the shape of its label maps"),
    ("an id too high", "tiny_models:Brightness, image '(image|sample) .* of source .*class id 4, which is none"),
        ("a negative id", "class id -1, which is none"),
    ("two heads", "2 heads"), ("not sure", "confidence.* nan"),
])  # fmt: skip
def test_a_parser_that_breaks_the_protocol_fails_the_audit_and_leaves_no_block(tmp_path, fault, reason):
    _, store, tasks = begun(spec(tmp_path, parser=fault))
    with pytest.raises(AuditError, match=reason):
        blocks.make_block(tasks[-1])
    assert not list(store.files("images"))


def test_a_parser_that_raises_is_refused_before_work_begins(tmp_path):
    with pytest.raises(RequestError, match="raised ValueError: no such luck"):
        begun(spec(tmp_path, parser="raises"))


def test_ids_that_are_no_classes_of_the_parser_are_refused_before_work_begins(tmp_path):
    asked = spec(tmp_path)
    asked = asked.model_copy(update={"parser": specs.FactoryParser(kind="tiny_models:Gaps")})
    with pytest.raises(RequestError, match=r"tiny_models:Gaps: .*class id 2, which is none"):
        begun(asked)


def test_confidences_in_half_precision_are_counted(tmp_path, reference):
    half = worked(spec(tmp_path, parser="half precision"))["class_pixels"]["confidence"].to_numpy()
    assert half.min() > 0.4 and half.max() <= 1.0


def test_a_batch_that_has_no_room_where_it_is_sampled_is_one_sentence(tmp_path, monkeypatch):
    def read(self, indices):
        raise torch.OutOfMemoryError("CUDA out of memory")

    _, store, tasks = begun(three(tmp_path))
    monkeypatch.setattr(GeneratorSource, "read", read)
    with pytest.raises(RequestError, match=r"cpu has no room for a batch of 64 images; set sample.batch to 32"):
        blocks.make_block(tasks[-1])
    assert not list(store.files("images"))


# what is kept open


def test_models_are_opened_once_and_changed_files_anew(tmp_path):
    (tmp_path / "own.py").write_text("from pathlib import Path\nfrom tiny_models import Noise, Ramp, Brightness\n"
                                     "def make():\n    log = Path(__file__).with_name('log')\n"
                                     "    log.write_text(log.read_text() + 'x' if log.exists() else 'x')\n"
                                     "    return Noise()\n")  # fmt: skip
    (tmp_path / "tiny_models.py").write_text((HERE / "tiny_models.py").read_text())
    asked = spec(tmp_path / "s", {"name": "g", "kind": "own:make"}, folder=tmp_path, count=3000)
    _, _, tasks = begun(asked)
    opened = len((tmp_path / "log").read_text())
    list(on_threads(2)(tasks))
    assert len((tmp_path / "log").read_text()) == opened == 1
    (tmp_path / "tiny_models.py").write_text((HERE / "tiny_models.py").read_text() + "\n# changed\n")
    assert len(begun(asked)[2]) == len(tasks)


def test_torch_s_threads_are_given_back(tmp_path):
    before = torch.get_num_threads()
    worked(spec(tmp_path))
    assert torch.get_num_threads() == before


def test_a_block_that_stands_is_logged_with_its_run_source_and_place(tmp_path, caplog):
    with caplog.at_level("INFO", logger="ganaudit"):
        planned, _, tasks = begun(three(tmp_path / "store"))
        blocks.make_block(tasks[0])
    (said,) = [record.getMessage() for record in caplog.records if record.name == "ganaudit.blocks"]
    todo = tasks[0]
    assert said.startswith(f"run {planned.run}, source {todo.source.name}, block {todo.first}-{todo.last}: ")
    assert "images in" in said and "set aside" in said
