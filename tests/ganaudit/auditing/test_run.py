"""An audit from spec to report: what is parsed again, what is set aside, known omissions found, two audits at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forked import ended, forked

import ganaudit
from ganaudit import report
from ganaudit import spec as specs
from ganaudit.auditing import run as audit
from ganaudit.auditing.plan import plan
from ganaudit.errors import AuditError, RequestError
from ganaudit.records import catalog
from ganaudit.records.schema import FINDINGS
from ganaudit.records.store import Store
from ganaudit.records.tables import CLASS_PIXELS, IMAGES
from ganaudit.spec import Decide
from ganaudit.studies.census import work as blocks
from ganaudit.studies.census.blocks import missing
from ganaudit.studies.census.findings import materialise
from ganaudit.studies.steering import finding_tables as steering_tables
from ganaudit.village.classes import IDS
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

HERE = Path(__file__).parents[1]
RAMP = {"name": "real", "kind": "tiny_models:Ramp", "options": {"images": 300}}


def noise(name="g", **options):
    return {"name": name, "kind": "tiny_models:Noise", "options": options}


def mapping(store, *generators, real=None, **parts):
    return {"name": "n", "folder": str(HERE), "store": str(store), "parser": {"kind": "tiny_models:Brightness"},
            "real": real or RAMP, "generators": list(generators or [noise()]), "sample": {"count": 500}, **parts}  # fmt: skip


def spec(store, *generators, **parts):
    return specs.parse(mapping(store, *generators, **parts))


def rows(store: Path) -> dict[str, pa.Table]:
    result, store = {}, Store(store)
    for table in (IMAGES, CLASS_PIXELS):
        parts = [store.read(table, path) for path in sorted(store.files(table.name))]
        result[table.name] = pa.concat_tables(parts).sort_by([("key", "ascending"), *((n, "ascending") for n in table.sort)])
    return result


def parsed(asked) -> int:
    """Images that an audit of `asked` has to parse now; it parses them."""
    planned, store = audit.prepared(asked)
    return sum(done.images for _, done in audit.on_threads(2)(missing(planned, store)))


# what is parsed


def test_a_second_run_parses_nothing_a_new_generator_itself_alone_and_a_renamed_one_nothing(tmp_path):
    first = noise("first")
    Store(tmp_path).open_for_writing()
    assert parsed(spec(tmp_path, first)) == 300 + 1024
    assert parsed(spec(tmp_path, first)) == 0
    assert parsed(spec(tmp_path, {**first, "name": "renamed"}, name="another audit")) == 0
    assert parsed(spec(tmp_path, first, noise("second", light=0.2))) == 1024
    assert parsed(spec(tmp_path, first, sample={"count": 1024})) == 0
    assert parsed(spec(tmp_path, first, sample={"count": 1025})) == 1024
    assert parsed(spec(tmp_path, first, sample={"count": 10, "seed": 2})) == 1024
    assert parsed(spec(tmp_path, first, real={**RAMP, "options": {"images": 200}})) == 200


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """An audit of two generators, of which one gives some images that are no pictures."""
    folder = tmp_path_factory.mktemp("done")
    watched = []
    Store(folder / "store").open_for_writing()
    return ganaudit.audit(
        spec(folder / "store", noise("fine"), noise("partly", fault="nan", since=400)),
        lambda progress, shard, block: block and watched.append(block),
    ), watched


def test_an_audit_file_may_be_named_by_its_path(tmp_path):
    path = tmp_path / "audit.yaml"
    path.write_text(json.dumps(mapping(tmp_path / "store", noise("fine"), sample={"count": 64}) | {"folder": str(HERE)}))
    assert ganaudit.audit(path).status == "done"
    with pytest.raises(RequestError, match=r"nowhere\.yaml"):
        ganaudit.audit(str(tmp_path / "nowhere.yaml"))


def test_an_audit_leaves_findings_a_report_and_a_catalog(done):
    result, watched = done
    unasked = {"dropped_groups", "dropped_in_slices", "dropped_pairs", "expectations"}
    unasked |= {"parser_classes", "parser_corrected"}  # or too rare
    unasked |= {
        "inversion_summary", "photo_verdicts", "omissions", "inversion_by_layer", "recall_by_size", "worst_photos",
        "inversion_confusions", "inversion_attributes", "generalisation", "memorisation", "encoder_limits",
        "parser_agreement", "verdicts_by_parser", "fsd_by_parser", *(table.name for table in steering_tables.FINDINGS),
    }  # fmt: skip
    assert set(result.findings) == set(FINDINGS)
    for name, table in FINDINGS.items():
        assert result.findings[name].schema.names == [column.name for column in table.columns]
        if name not in unasked:
            assert not result.table(name).empty
    assert "<html" in result.report.read_text()[:500].lower()
    assert result.parsed == 300 + 2048 == sum(block.images for block in watched)
    with catalog.connect(Store(result.store)) as connection:
        assert connection.execute("SELECT run, status FROM runs").fetchall() == [(result.run, "set aside")]
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (2348,)


def test_images_that_are_no_pictures_are_set_aside_counted_and_not_in_the_denominators(done):
    result, watched = done
    assert (result.status, result.exit_code, result.quarantined) == ("set aside", 3, 100)
    assert {block.source: block.quarantined for block in watched} == {"real": 0, "fine": 0, "partly": 624}
    fsd = result.table("fsd").set_index("generator")
    assert fsd["generated_images"].to_dict() == {"fine": 500, "partly": 400}
    assert set(fsd["real_images"]) == {300}
    images = rows(result.store)["images"].to_pandas()
    aside = images[images["status"] != "ok"]
    assert len(aside) == 624 and aside["image"].min() == 400
    assert aside["error"].str.contains("not finite").all()
    assert aside[["digest", "pixels", "confidence"]].isna().all().all()
    keys = set(zip(aside["key"], aside["image"], strict=True))
    counted = rows(result.store)["class_pixels"].to_pandas()
    assert not keys & set(zip(counted["key"], counted["image"], strict=True))


def test_class_stats_are_those_of_pandas_over_the_records(done):
    result, _ = done
    stats = result.table("class_stats")
    images, counted = (rows(result.store)[name].to_pandas() for name in ("images", "class_pixels"))
    keys = {s.name: s.key for s in plan(spec(result.store, noise("fine"), noise("partly", fault="nan", since=400))).sources}
    for _, row in stats.iterrows():
        of_class = counted[(counted["key"] == keys["real"]) & (counted["class_id"] == row["class_id"])]
        sizes = sorted(of_class["largest"][(of_class["image"] < 300) & (of_class["largest"] >= 4)])
        least = sizes[int(0.05 * len(sizes))] if sizes else 4
        assert row["presence_threshold"] == pytest.approx(least / 64 * 100)
        for side, source, count in (("real", "real", 300), ("generated", row["generator"], 500)):
            own = images[(images["key"] == keys[source]) & (images["image"] < count) & (images["status"] == "ok")]
            mine = counted[(counted["key"] == keys[source]) & (counted["class_id"] == row["class_id"])]
            share = own["image"].map(mine.set_index("image")["pixels"]).fillna(0) / 64 * 100
            present = own["image"].map(mine.set_index("image")["largest"]).fillna(0) >= least
            parts = own["image"].map(mine.set_index("image")["parts"]).fillna(0).where(present, 0)
            assert row[f"{side}_count"] == pytest.approx(parts.mean())
            assert row[f"{side}_area"] == pytest.approx(share.mean())
            assert row[f"{side}_presence"] == pytest.approx(present.mean())
            assert row[f"{side}_presence_se"] == pytest.approx(present.std(ddof=1) / np.sqrt(len(own)), rel=0.01, abs=1e-9)
            if present.any():
                assert row[f"{side}_size"] == pytest.approx(share[present].mean())
        assert row["area_ratio"] == pytest.approx(row["generated_area"] / row["real_area"])


def test_the_report_holds_the_findings_the_sources_and_their_digests(done):
    result, _ = done
    data = audit.report_data(Store(result.store), result.run)
    assert {name: table.num_rows for name, table in data.findings.items()} == {
        name: table.num_rows for name, table in result.findings.items()
    }
    assert data.generators == ("fine", "partly") and data.started.tzinfo is not None
    planned = plan(spec(result.store, noise("fine"), noise("partly", fault="nan", since=400)))
    assert [(used.role, used.name, used.key, used.images) for used in data.sources] == [
        (source.role, source.name, source.key, source.count) for source in planned.sources
    ]
    assert {used.parser_key for used in data.sources} == {planned.parser_key}
    assert f"ganaudit report {result.run} --store {result.store}" in data.command


def test_a_run_that_an_older_ganaudit_rolled_up_says_so_and_can_still_be_asked(done, tmp_path, drawn):
    result, _ = done
    shutil.copytree(result.store, tmp_path / "store")
    store = Store(tmp_path / "store")
    fsd = store.finding(result.run, "fsd")
    kept = ["run", "real", "generator", "real_images", "generated_images", "fsd", "mean_part", "covariance_part", "floor"]
    pq.write_table(pq.read_table(fsd, columns=kept), fsd)
    store.finding(result.run, "dropped_classes").unlink()
    data = audit.report_data(store, result.run)
    assert "older ganaudit" in data.notes[0] and "`ganaudit run`" in data.notes[0]
    assert "fsd" not in data.findings and "class_stats" in data.findings
    assert data.notes[0] in report.render(data).replace("&#34;", '"')
    rows = catalog.query(store, "SELECT generator, fsd, corrected FROM fsd ORDER BY generator").to_pylist()
    assert [(row["generator"], row["corrected"]) for row in rows] == [("fine", None), ("partly", None)]
    assert all(row["fsd"] is not None for row in rows)
    with pytest.raises(RequestError, match="nope"):
        catalog.query(store, "SELECT nope FROM fsd")


def test_findings_that_lack_only_what_may_be_null_are_shown(done, tmp_path):
    result, _ = done
    shutil.copytree(result.store, tmp_path / "store")
    store = Store(tmp_path / "store")
    fsd = store.finding(result.run, "fsd")
    whole = pq.read_table(fsd)
    pq.write_table(whole.drop_columns(["q_value", "withheld"]), fsd)
    data = audit.report_data(store, result.run)
    assert not any("older ganaudit" in note for note in data.notes)
    assert (
        data.findings["fsd"]
        .drop_columns(["q_value", "withheld"])
        .equals(whole.drop_columns(["q_value", "withheld"]).replace_schema_metadata(None))
    )
    assert data.findings["fsd"]["q_value"].null_count == whole.num_rows


def test_the_same_audit_again_finds_the_same_numbers(done):
    result, _ = done
    again = ganaudit.audit(spec(result.store, noise("fine"), noise("partly", fault="nan", since=400)))
    assert again.parsed == 0 and again.run != result.run
    for name in FINDINGS:
        pd.testing.assert_frame_equal(again.table(name).drop(columns="run"), result.table(name).drop(columns="run"))


def test_the_package_s_audit_stays_the_function_however_often_it_is_looked_up():
    assert ganaudit.audit is ganaudit.audit is audit.audit


# when sources are of no use


def test_a_generator_of_which_nothing_can_be_used_is_set_aside_with_a_note(tmp_path, drawn):
    result = ganaudit.audit(spec(tmp_path, noise("broken", fault="bytes"), noise("sizes", fault="size")))
    assert (result.status, result.exit_code, result.quarantined) == ("set aside", 3, 1000)
    broken, sizes, repeats, near = result.notes
    assert "of the 248 different images of 'real' are near duplicates" in near
    assert "of the 300 images of 'real' are repeats" in repeats
    assert "'broken' has no findings: 500 images were set aside, most often because the generator gave values from" in broken
    assert "'sizes' has no findings" in sizes and "not 64×3×8×8" in sizes
    within_a_source = {"near_duplicates", "near_duplicate_counts"}
    assert {name for name in FINDINGS if not result.table(name).empty} == within_a_source
    assert result.report.is_file()


def test_real_images_of_which_nothing_can_be_used_fail_the_audit(tmp_path):
    real = {**RAMP, "options": {"images": 30, "unreadable": 29}}
    with pytest.raises(
        AuditError, match="real source 'real' has no usable images: 29 images were set aside, most often because image"
    ):
        ganaudit.audit(spec(tmp_path, real=real))
    with catalog.connect(Store(tmp_path)) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("failed",)]


def test_a_generator_that_raises_fails_the_run_and_what_was_done_stays(tmp_path):
    broken = noise("g", fault="raises", since=1200)
    with pytest.raises(AuditError, match="images 1152-1215: the generator divides by zero"):
        ganaudit.audit(spec(tmp_path, broken, sample={"count": 1500}, run={"workers": 1}))
    with catalog.connect(Store(tmp_path)) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("failed",)]
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (300 + 1024,)


def test_a_run_that_is_not_there_has_no_report(tmp_path):
    Store(tmp_path).open_for_writing()
    with pytest.raises(RequestError, match="there is no run 'nope'"):
        audit.report_data(Store(tmp_path), "nope")


# a known omission


def test_a_village_without_people_or_with_half_of_them_is_found_to_be_that(tmp_path):
    """True labels on both sides: exact to a loop over the label maps, and right within 4 standard errors."""
    real = {"name": "real", "kind": "tiny_models:EncodedScenes", "options": {"seed": 0, "images": 700}}
    asked = spec(
        tmp_path, {"name": "none", "kind": "tiny_models:Encoded", "options": {"prevalence": {"person": 0.0}}},
        {"name": "half", "kind": "tiny_models:Encoded", "options": {"prevalence": {"person": 0.15, "car": 0.125}}},
        real=real, parser={"kind": "tiny_models:Decoder"}, sample={"count": 1024, "seed": 5},
    )  # fmt: skip
    planned, store = audit.prepared(asked)
    list(audit.on_threads(1)(missing(planned, store)))
    findings = materialise(store, planned.run, Decide(presence=0.1))
    stats = findings["class_stats"].to_pandas().set_index(["generator", "class"])

    assert stats.loc[("none", "person"), "presence_ratio"] == stats.loc[("none", "person"), "area_ratio"] == 0
    for name in ("person", "car"):
        row = stats.loc[("half", name)]
        p, q = (0.3, 0.15) if name == "person" else (0.25, 0.125)
        error = 0.5 * np.sqrt((1 - p) / p / 700 + (1 - q) / q / 1024)
        assert abs(row["presence_ratio"] - 0.5) < 4 * error
        assert row["presence_ratio_se"] == pytest.approx(error, rel=0.2)
        assert abs(row["area_ratio"] - 0.5) < 4 * row["area_ratio_se"]
        assert abs(row["size_ratio"] - 1) < 4 * row["size_ratio_se"]
    for name in set(IDS) - {"person"}:
        for generator in ("none", "half"):
            row = stats.loc[(generator, name)]
            if (generator, name) != ("half", "car"):
                assert abs(row["area_ratio"] - 1) < 4.5 * row["area_ratio_se"], (generator, name)

    labels = render(Prevalence(), 0, range(700))[1]
    for name, number in IDS.items():
        share = (labels == number).mean(axis=(1, 2)) * 100
        assert stats.loc[("half", name), "real_area"] == pytest.approx(share.mean())
        assert stats.loc[("half", name), "real_presence"] == pytest.approx((share >= 0.1).mean())
    fsd = findings["fsd"].to_pandas().set_index("generator")
    assert (fsd["fsd"] >= 0).all() and (fsd["fsd"] < 6 * fsd["floor"]).all()


# processes


def killed_after(shards, asked):
    """Does the work of an audit and kills its own process when so many shards stand."""
    link, made = os.link, []

    def killed(source, target):
        made.append(target)
        if "/images/" in str(target) and len(made) > shards:
            os.kill(os.getpid(), signal.SIGKILL)
        link(source, target)

    planned, store = audit.prepared(specs.parse(asked))
    tasks = missing(planned, store)
    os.link = killed
    list(audit.on_threads(2)(tasks))


def done_whole(asked):
    assert audit.audit(specs.parse(asked)).status == "done"


def test_killed_in_the_middle_and_then_finished_by_two_processes_at_once_the_rows_are_the_same(tmp_path):
    parts = {"sample": {"count": 3000, "batch": 64}}
    asked = mapping(tmp_path / "store", noise("a"), noise("b", light=0.3), **parts)
    assert ended(forked(lambda: killed_after(5, asked))) == -signal.SIGKILL
    assert list(Store(tmp_path / "store").files("images"))
    both = [forked(lambda: done_whole(asked)) for _ in range(2)]
    assert [ended(process) for process in both] == [0, 0]
    reference = mapping(tmp_path / "reference", noise("a"), noise("b", light=0.3), **parts)
    blocks.forget()
    parsed(specs.parse(reference))
    assert rows(tmp_path / "store") == rows(tmp_path / "reference")
    with catalog.connect(Store(tmp_path / "store")) as connection:
        states = connection.execute("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status").fetchall()
        assert states == [("done", 2), ("running", 1)]
        result = connection.execute("SELECT count(DISTINCT fsd), count(*) FROM fsd").fetchone()
        assert result == (2, 4)
