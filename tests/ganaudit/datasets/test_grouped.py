"""Labels and clusters of images below a folder: where they come from, what they change, what is refused."""

from __future__ import annotations

import re

import pytest
from PIL import Image as pillow

from ganaudit.context import Context
from ganaudit.datasets.folder import FolderDataset, FolderSource, open_folder
from ganaudit.datasets.grouped import Column
from ganaudit.datasets.masks import MasksDataset
from ganaudit.errors import RequestError
from ganaudit.spec import parse

NAMES = ("a/scene1_0.png", "a/scene1_1.png", "b/c/scene2_0.png", "other.png")


@pytest.fixture
def root(tmp_path):
    for value, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.new("RGB", (8, 8), (value, value, value)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def table(tmp_path):
    def write(text, name="scenes.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def told(dataset, what):
    images = [dataset.image(index) for index in range(len(dataset))]
    return {image.name: getattr(image, what) for image in images}


FOLDERS = dict(zip(NAMES, ("a", "a", "b/c", None), strict=True))
SCENES = dict(zip(NAMES, ("1", "1", "2", None), strict=True))


def test_by_default_the_folder_is_the_label_and_nothing_is_a_cluster(root):
    assert told(FolderDataset(root), "label") == FOLDERS
    assert set(told(FolderDataset(root), "cluster").values()) == {None}


@pytest.mark.parametrize("what", ["label", "cluster"])
def test_each_way(root, table, what):
    csv = table("file,scene,size\nother.png,,3\nb/c/scene2_0.png,2,1\nmore.png,9,9\na/scene1_0.png,1,0\na/scene1_1.png,1,5\n")
    for way, wanted in (
        ("folder", FOLDERS),
        (Column(name=r"scene(\d+)_"), SCENES),
        (Column(csv=csv, column="scene", names="file"), SCENES),
    ):
        assert told(FolderDataset(root, **{what: way}), what) == wanted


def test_of_label_maps_too(root):
    for name in NAMES:
        pillow.new("L", (4, 4), 1).save((root / name).with_suffix(".labels.png"))
    assert told(MasksDataset(root, cluster=Column(name=r"scene(\d+)_")), "cluster") == SCENES


def test_they_are_in_the_recipe_by_what_they_say_not_by_how(root, table):
    plain = FolderDataset(root).recipe()
    assert FolderDataset(root, label="folder").recipe() == plain
    csv = table("name,scene\n" + "".join(f"{name},{SCENES[name] or ''}\n" for name in NAMES))
    tabs = table("k\tname\tscene\n" + "".join(f"9\t{name}\t{SCENES[name] or ''}\n" for name in NAMES), "scenes.tsv")
    ways = (Column(name=r"scene(\d+)_"), Column(csv=csv, column="scene"), Column(csv=tabs, column="scene"))
    recipes = [FolderDataset(root, cluster=way).recipe() for way in ways]
    assert recipes[0] == recipes[1] == recipes[2] and {**plain, "cluster": recipes[0]["cluster"]} == recipes[0]
    csv.write_text(csv.read_text().replace(",2\n", ",3\n"))
    assert FolderDataset(root, cluster=ways[1]).recipe() != recipes[0]
    assert FolderDataset(root, label=ways[0]).recipe() != recipes[0]


def test_images_without_one_are_said(root, table):
    assert FolderDataset(root, cluster="folder").notes == []
    assert FolderDataset(root, cluster=Column(name=r"scene(\d+)_")).notes == [
        r"1 of its 4 images have no cluster: 'scene(\\d+)_' does not match"
    ]


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("name,scene\n", "scenes", r"cluster: .*scenes.csv has no column 'scenes'; it has 'name', 'scene'"),
        ("file,scene\n", "scene", r"has no column 'name'; it has 'file', 'scene'"),
        ("name,scene,scene\n", "scene", r"has two columns 'scene'"),
        ("name,scene\na/scene1_0.png,1\n", "scene", r"has no line of the image 'a/scene1_1.png' \(3 of 4 have none\)"),
        ("name,scene\nother.png,1\nother.png,2\n", "scene", r"says '1' and '2' of the image 'other.png'; keep one line"),
        ("name,scene\na,b,c\n", "scene", r"is no CSV file"),
        ("", "scene", r"is no CSV file"),
    ],
)
def test_a_wrong_table_is_one_sentence(root, table, text, column, sentence):
    with pytest.raises(RequestError, match=sentence) as caught:
        FolderDataset(root, cluster=Column(csv=table(text), column=column))
    assert "\n" not in str(caught.value).strip()


def test_a_table_that_is_not_there(root):
    with pytest.raises(RequestError, match=r"label: .*nowhere.csv cannot be read: "):
        FolderDataset(root, label=Column(csv=root / "nowhere.csv", column="a"))


def test_a_pattern_that_matches_nothing(root):
    with pytest.raises(
        RequestError, match=re.escape(r"cluster: 'x(y)' matches no name below the folder, such as 'a/scene1_0.png'")
    ):
        FolderDataset(root, cluster=Column(name="x(y)"))


def audit(**real):
    part = {
        "name": "n",
        "parser": {"kind": "unet", "weights": "builtin:village"},
        "generators": [{"name": "g", "kind": "village"}],
    }
    return part | {"real": {"name": "photos", "kind": "folder", "path": "photos", **real}}


def test_in_the_audit_file(root, table, tmp_path):
    table("name,scene\n" + "".join(f"{name},{SCENES[name] or ''}\n" for name in NAMES))
    spec = parse(
        audit(cluster={"csv": "scenes.csv", "column": "scene"}, label={"name": "([a-z])/"}) | {"folder": str(tmp_path)}
    )
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec
    dataset = open_folder(spec.real, Context(tmp_path, size=(8, 8)))
    assert told(dataset, "cluster") == SCENES
    assert list(told(dataset, "label").values()).count("a") == 2
    assert isinstance(spec.real, FolderSource)


@pytest.mark.parametrize(
    ("cluster", "line"),
    [
        ({"name": "scene"}, "real.cluster.name: 'scene' has no groups; it needs one, in parentheses"),
        ({"name": "(a)(b)"}, "real.cluster.name: '(a)(b)' has 2 groups; it needs one"),
        ({"name": "("}, "real.cluster.name: '(' is no regular expression: "),
        ({"csv": "a.csv"}, "real.cluster: say folder, {name: "),
        ({"csv": "a.csv", "name": "(a)", "column": "b"}, "real.cluster: say folder"),
        (
            {"csv": "a.csv", "colunm": "b", "column": "b"},
            "real.cluster.colunm: unknown key; did you mean 'column'? There are: name, csv, column, names",
        ),
        ({"column": "b"}, "real.cluster: say folder, {name: "),
        ("folders", "real.cluster: say folder"),
        (["folder"], "real.cluster: say folder"),
    ],
)
def test_a_mistake_in_the_audit_file_is_one_line(cluster, line):
    with pytest.raises(RequestError) as caught:
        parse(audit(cluster=cluster))
    heading, said = str(caught.value).split("\n")
    assert heading == "the audit has 1 mistake:" and said.strip().startswith(line), said


@pytest.mark.parametrize("wrong, line", [({"value": 2.5}, "real.list.value: "), ({"vale": 2}, "real.list.vale: unknown key")])
def test_so_is_one_in_a_list_of_lines(wrong, line):
    with pytest.raises(RequestError) as caught:
        parse(audit(list={"csv": "a.csv", "column": "b", "value": 2, **wrong}))
    assert str(caught.value).startswith(f"the audit has 1 mistake:\n  {line}") and str(caught.value).count("\n") == 1
