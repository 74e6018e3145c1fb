"""Every command as a person types it: results on stdout, the rest on stderr, exit codes 0 to 3, no traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from functools import partial
from pathlib import Path

import pytest
import yaml

from flows import server
from flows.commands import demo
from ganaudit import __version__
from ganaudit import report as pages
from ganaudit.errors import RequestError
from ganaudit.maintenance.prune import prune
from ganaudit.records import catalog
from ganaudit.records.store import Store

NAMES = {
    "name": "Größe [bold]\"x\" 'y'/z",
    "real": {"name": "réel [red]/'", "kind": "toy:photos"},
    "generators": [
        {"name": '[bold] "π"', "kind": "toy:generator"},
        {"name": "../a b", "kind": "toy:generator", "options": {"shift": -0.5}},
    ],
}


def columns(text: str) -> list[str]:
    """Words of a table's first column."""
    return [line.split("  ")[0] for line in text.strip().splitlines()]


def test_one_audit_by_every_command_that_reads_it(toy, cli, drawn, monkeypatch, tmp_path):
    audit, store = toy(**NAMES), tmp_path / "elsewhere"
    at = ("--store", store)
    result = cli("run", audit, *at)
    assert result.code == 0
    assert result.out.startswith('[bold] "π" ') and "\n../a b " in result.out
    assert f"store   {store}\nreport  " in result.out and not (tmp_path / "store").exists()
    assert "Parsing: 5,196 images in 6 shards, on cpu, 2 at once: " in result.err
    assert "réel [red]/'" in result.err and "../a b" in result.err
    report = Path(result.out.split("report  ")[1].strip())
    assert report.is_file() and "<svg" in report.read_text(encoding="utf-8")
    monkeypatch.setattr(pages, "render", lambda _: "")  # seen once: from here on it is where it lies

    again = cli("run", audit, *at, "--json")
    run = json.loads(again.out)
    assert (run["exit_code"], run["parsed"], run["status"], run["store"]) == (0, 0, "done", str(store))
    assert {row["generator"] for row in run["findings"]["fsd"]} == {'[bold] "π"', "../a b"}
    assert "All 5,196 images are in the store already; nothing to parse." in again.err

    listed = cli("runs", *at)
    assert columns(listed.out)[0] == "run" and columns(listed.out)[1] == run["run"] and "[bold]" in listed.out
    as_json = json.loads(cli("runs", *at, "--json").out)
    assert [row["audit"] for row in as_json] == [NAMES["name"]] * 2 and as_json[0]["run"] == run["run"]

    report.unlink()
    assert cli("report", run["run"], *at).out == f"{run['report']}\n"
    assert report.is_file() is False and Path(run["report"]).is_file()
    page = json.loads(cli("report", *at, "--out", tmp_path / "my page.html", "--figures", tmp_path / "figures", "--json").out)
    assert page["report"] == str(tmp_path / "my page.html") and Path(page["report"]).is_file()
    assert {Path(path).suffix for path in page["figures"]} == {".png", ".svg"}
    assert all(Path(path).is_file() for path in page["figures"])

    query = "SELECT source, role FROM run_sources GROUP BY ALL ORDER BY source"
    answer = [{"source": name, "role": role} for name, role in
              (("../a b", "generated"), ('[bold] "π"', "generated"), ("réel [red]/'", "real"))]  # fmt: skip
    assert json.loads(cli("sql", query, *at, "--format", "json").out) == answer
    assert list(csv.DictReader(io.StringIO(cli("sql", query, *at, "--format", "csv").out))) == answer
    assert columns(cli("sql", query, *at).out) == ["source", *(row["source"] for row in answer)]

    checked = cli("check", audit, *at)
    assert checked.code == 0 and "0 of 6 blocks to do" in checked.out and '[bold] "π"' in checked.out
    assert json.loads(cli("check", audit, "--json").out)["missing_blocks"] == 6


def test_images_set_aside_are_exit_code_3_and_counted(toy, cli):
    audit = toy(generators=[{"name": "torn", "kind": "toy:generator", "options": {"broken": [3, 4]}}])
    result = cli("run", audit)
    assert result.code == 3
    assert "2 images were set aside" in result.out
    assert json.loads(cli("run", audit, "--json").out)["quarantined"] == 2


def test_the_demo_is_an_audit_file_of_the_package(cli, toy, tmp_path, monkeypatch):
    audit = toy()
    (tmp_path / "demo.yaml").write_bytes(audit.read_bytes())
    monkeypatch.setattr(demo, "DEMO", tmp_path / "demo.yaml")
    monkeypatch.chdir(tmp_path)
    result = cli("demo")
    assert result.code == 0
    assert f"store   {tmp_path / 'audits'}" in result.out and "Try:  ganaudit sql " in result.out
    option = result.out.split("Try:  ganaudit sql ")[1]
    assert cli("sql", option.strip().strip('"')).code == 0
    other = cli("demo", "--store", "my store")
    assert f"--store '{tmp_path / 'my store'}'" in other.out
    assert json.loads(cli("demo", "--json").out)["parsed"] == 0


def test_the_shipped_demo_names_three_generators():
    data = yaml.safe_load(demo.DEMO.read_text(encoding="utf-8"))
    assert len(data["generators"]) == 3 and data["sample"]["count"] == data["real"]["count"] == 2000


def test_the_longer_demo_is_the_same_audit_of_one_generator_more():
    short, long = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (demo.DEMO, demo.DEMO_ALL))
    more = [result for result in long["generators"] if result not in short["generators"]]
    assert [result["weights"] for result in more] == ["builtin:village-stylegan"]
    assert [result for result in long["generators"] if result not in more] == short["generators"]
    assert {key: value for key, value in long.items() if key not in ("name", "generators")} == {
        key: value for key, value in short.items() if key not in ("name", "generators")
    }


def test_the_version_and_the_lists(cli):
    assert cli("--version").out == f"ganaudit {__version__}\n"
    for room in ("generators", "parsers", "datasets"):
        assert {"folder", "module:factory"} & set(columns(cli("list", room).out))
        assert set(json.loads(cli("list", room, "--json").out)) == {"kinds", "weights"}
    helped = cli("--help")
    assert (
        helped.code == 0 and max(map(len, helped.out.splitlines())) <= 80 and "..." not in helped.out.replace("[ARGS]...", "")
    )


def test_training_writes_weights_and_says_where(cli, tmp_path, monkeypatch):
    from ganaudit.training import builtin, figures
    from ganaudit.training.parser import ParserRecipe, ParserTraining

    small = partial(ParserTraining, ParserRecipe((4, 4, 4, 4), images=64, batch=4))
    monkeypatch.setitem(builtin.MODELS, "village", builtin.BuiltinModel("unet", 5, small))
    monkeypatch.setattr(figures, "of_parser", lambda path: {"mean_iou": 0.5})
    monkeypatch.chdir(tmp_path)
    made = cli("train", "village", "--steps", "3")
    assert (made.code, made.out) == (0, "training-village/village.safetensors\n")
    again = json.loads(cli("train", "village", "--steps", "3", "--json").out)
    card = json.loads(Path(again["card"]).read_text())
    assert Path(again["weights"]).is_file() and (card["figures"], card["steps"]) == ({"mean_iou": 0.5}, 3)
    assert card["command"] == "ganaudit train village --steps 3"


def test_an_ogan_is_trained_with_any_value_of_its_recipe(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ("--resolution", "16", "--set", "width=8", "--set", "latent=5", "--set", "batch=4", "--set", "images=8")
    made = cli("train", "ogan", *small, "--body", "residual", "--steps", "2", "--keep-every", "1")
    assert (made.code, made.out) == (0, "training-ogan/ogan.safetensors\n")
    card = json.loads(Path("training-ogan/ogan.card.json").read_text())
    assert card["recipe"]["body"] == "residual" and (card["kind"], card["images"]) == ("ogan", 8)
    assert card["command"].startswith("ganaudit train ogan --set body=residual --set resolution=16 --set width=8")
    assert [file.name for file in sorted(Path("training-ogan/steps").iterdir())] == [
        "ogan-00000001.safetensors", "ogan-00000002.safetensors",
    ]  # fmt: skip
    assert "holds another training (recipe body" in cli("train", "ogan", *small, "--steps", "2").err
    for arguments, sentence in (
        ((), "a training needs a budget"), (("--body", "vae", "--steps", "2"), "no O-GAN of body 'vae'"),
        (("--set", "lambda=1", "--steps", "2"), "the recipe has no 'lambda'"),
        (("--set", "images=3", "--set", "batch=4", "--steps", "2"), "have 3 images and a batch takes 4"),
    ):  # fmt: skip
        wrong = cli("train", "ogan", "--out", "other", *arguments)
        assert wrong.code != 0 and sentence in wrong.err and not Path("other").exists()
    assert "No such option: --set" in cli("train", "village-progan", "--set", "width=8").err


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"kind": "folder", "path": "no images"}, "holds no images: most of its other files (1 of 1) have .txt"),
        ({"kind": "zip", "path": "no images.zip"}, "no images.zip holds no images, but 1 other file"),
        ({"kind": "tar", "path": "not there.tar"}, "path of 'g': there is no file or folder"),
        ({"kind": "dcgan", "weights": "not there.pth"}, "weights of 'g'"),
        ({"kind": "dcgan", "weights": "builtin:vilage"}, "there are no built-in weights 'vilage'"),
    ],
)
def test_what_files_lack_is_told_before_a_server_starts_as_check_tells_it(toy, cli, tmp_path, monkeypatch, part, sentence):
    monkeypatch.setattr(server, "connected", lambda *_: pytest.fail("a server starts"))
    (tmp_path / "no images").mkdir()
    (tmp_path / "no images/readme.txt").write_text("none yet")
    with zipfile.ZipFile(tmp_path / "no images.zip", "w") as archive:
        archive.writestr("readme.txt", "none yet")
    audit = toy(generators=[{"name": "g", **part}])
    ran, checked = cli("run", audit), cli("check", audit)
    assert ran.code == checked.code == 2 and sentence in ran.err and ran.err.strip() in checked.err


def test_lia_is_trained_in_two_stages_and_its_encoder_again(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {
        "batch": 4, "images": 8, "latent": 4, "first": 4, "channels": [[4], [4]], "discriminator_widths": [4, 4],
        "encoder_widths": [4, 4, 4],
    }  # fmt: skip
    small = [part for name, value in sizes.items() for part in ("--set", f"{name}={value}")]
    made = cli("train", "lia", *small, "--mapping", "mlp", "--steps", "2")
    assert (made.code, made.out) == (0, "training-lia/lia.safetensors\n")
    card = json.loads(Path("training-lia/lia.card.json").read_text())
    assert card["stage_1"]["recipe"]["mapping"] == "mlp"
    assert all(part in card["command"] for part in (" --set mapping=mlp ", " --set 'channels=[[4], [4]]' ", " --steps 2"))
    first = "training-lia/stage-1/lia.safetensors"
    other = cli("train", "lia", first, "--out", "other", *small, "--set", "norm=none", "--steps", "1")
    assert (other.code, other.out) == (0, "other/lia.safetensors\n")
    assert "holds another training" in cli("train", "lia", *small, "--steps", "2").err
    for arguments, sentence in (
        (("--stage", "2", "--steps", "2"), "there is no first stage at"), (("--mapping", "affine"), "coupling, mlp"),
        (("--set", "nrom=none"), "did you mean 'norm'"), (("--resolution", "100"), "a power of two"),
        ((first, "--stage", "1"), "leave out training-lia"), (("--body", "dcgan"), "No such option: --body"),
        (("builtin:village-progan", "--stage", "2"), "no generator of kind lia"),
        (("builtin:village-la",), "there are no built-in weights 'village-la'"),
        (("--steps", "1" + 20 * "0"), "--steps is 1e+20; a training has at most 1,000,000,000"),
    ):  # fmt: skip
        wrong = cli("train", "lia", "--out", "none", *arguments)
        assert wrong.code == 2 and sentence in wrong.err and not Path("none").exists()


def test_answers_of_sql_in_every_format(toy, cli, tmp_path):
    cli("run", toy())
    at = ("--store", tmp_path / "store")
    odd = "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS x, NULL AS y, '[b]ä' AS s, DATE '2030-01-02' AS d"
    assert json.loads(cli("sql", odd, *at, "--json").out) == [
        {"a": 1, "a_1": 2, "x": None, "y": None, "s": "[b]ä", "d": "2030-01-02"}
    ]
    assert cli("sql", odd, *at).out.split() == ["a", "a_1", "x", "y", "s", "d", "1", "2", "[b]ä", "2030-01-02"]
    assert cli("sql", odd, *at, "--format", "csv").out.splitlines()[0] == "a,a_1,x,y,s,d"
    assert cli("sql", "SELECT run FROM fsd WHERE false", *at).out == "no rows (run)\n"
    assert json.loads(cli("sql", "SELECT run FROM fsd WHERE false", *at, "--json").out) == []
    assert cli("sql", "SELECT repeat('x', 300) AS x", *at).out.splitlines()[1] == "x" * 300


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["run"], "Missing argument"),
        (["runs", "--jsn"], "No such option"),
        (["run", "nowhere.yaml"], "error: audit file nowhere.yaml does not exist"),
        (["run", "."], "error: audit file . cannot be read"),
        (["run", "empty"], "error: audit file empty holds no keys; it needs name, parser, real and generators"),
        (["check", "list"], "error: audit file list holds no keys"),
        (["check", "binary"], "error: audit file binary is not YAML"),
        (["run", "torn"], "error: audit file torn is not YAML"),
        (["run", "misspelt"], "  real.kind: unknown kind 'vilage'; did you mean 'village'?"),
        (["run", "audit.yaml", "--store", "empty"], "a file is in the way"),
        (["run", "audit.yaml", "--store", "empty/below"], "a file is in the way"),
        (["run", "audit.yaml", "--store", "newer"], "was written with schema version 9 and this ganaudit knows 1"),
        (["run", "audit.yaml", "--store", "back\\slash"], "holds a backslash"),
        (["run", "toomany.yaml"], "has 1,100 images and 5,000 are asked for"),
        (["runs"], "there is no store at"),
        (["runs", "--store", "empty"], "there is no store at"),
        (["sql", "SELECT 1"], "there is no store at"),
        (["report"], "there is no store at"),
        (["list", "encoders"], "there is no list of 'encoders'; there are generators, parsers, datasets, inverters"),
        (["train", "vilage"], "there is no built-in model 'vilage'"),
        (["train", "village", "--minutes", "-1"], "--minutes is -1"),
        (["train", "village", "--minutes", "nan"], "--minutes is nan"),
        (["train", "village", "--minutes", "x"], "Invalid value for '--minutes'"),
        (["train", "village", "--out", "empty"], "the folder empty cannot be made"),
    ],
)
def test_a_careless_request_is_exit_code_2_and_one_sentence(cli, toy, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    toy(real={"name": "photos", "kind": "toy:photos", "count": 5000}).rename("toomany.yaml")
    toy()
    for name, content in {"empty": b"", "list": b"- a\n", "binary": bytes(range(256)), "torn": b"a: [",
                          "misspelt": b"real: {name: a, kind: vilage}"}.items():  # fmt: skip
        Path(name).write_bytes(content)
    Path("newer").mkdir()
    Path("newer/ganaudit.json").write_text('{"schema_version": 9}')
    said = cli(*arguments)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sql", "SELEC 1"], 'syntax error at or near "SELEC"'),
        (["sql", "SELECT * FROM fds"], "Table with name fds does not exist"),
        (["sql", "SELECT fsdd FROM fsd"], 'column "fsdd" not found'),
        (["sql", "DROP VIEW fsd"], "read-only"),
        (["sql", "SELECT 1", "--format", "xml"], "--format 'xml' is none of table, csv, json"),
        (["report", "nope"], "there is no run 'nope'"),
        (["report", "../../etc"], "there is no run '../../etc'"),
        (["report", "--out", "."], ". cannot be written: Is a directory"),
        (["report", "--figures", "audit.yaml"], "audit.yaml cannot be written: File exists"),
    ],
)
def test_a_careless_question_about_a_store(cli, toy, tmp_path, monkeypatch, audited, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    toy()
    said = cli(*arguments, "--store", audited)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A store with one run."""
    import shutil

    from ganaudit.auditing.run import audit
    from ganaudit.spec import parse

    folder = tmp_path_factory.mktemp("audited")
    shutil.copy(Path(__file__).with_name("toy.py"), folder / "toy.py")
    return audit(parse({
        "name": "toy", "folder": str(folder), "store": "store", "parser": {"kind": "toy:parser"},
        "real": {"name": "photos", "kind": "toy:photos", "options": {"images": 64}},
        "generators": [{"name": "even", "kind": "toy:generator"}], "sample": {"count": 64},
    })).store  # fmt: skip


def test_a_store_that_cannot_be_written_to(cli, toy, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    locked = Path("/sys/kernel") if os.geteuid() == 0 else tmp_path / "locked"  # root may write almost anywhere
    said = cli("run", toy(), "--store", locked / "store")
    assert said.code == 2 and "the store cannot be written to" in said.err


@pytest.mark.parametrize("command", ["report", "compare"])
def test_what_a_report_or_a_comparison_reads_is_not_pruned_meanwhile(cli, audited, monkeypatch, command):
    read, told = Store.read, []

    def pruned_meanwhile(store, *arguments, **named):
        with monkeypatch.context() as patch:
            patch.setattr(Store, "read", read)
            try:
                told.append(f"{prune(store, keep=0).runs} went")
            except RequestError as error:
                told.append(str(error))
        return read(store, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", pruned_meanwhile)
        result = cli(command, "--store", audited)
    assert result.code == 0, result.err
    assert told and all("is being read" in said for said in told)
    assert len(catalog.query(Store(audited), "FROM runs")) == 1
