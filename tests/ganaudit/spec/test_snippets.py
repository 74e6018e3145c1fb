"""Every audit file in docs and deployments is one, and every part of one that the docs show is taken."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import get_args

import pytest
import yaml

from ganaudit.spec import parse
from ganaudit.spec.models import AuditSpec
from ganaudit.spec.studies import Perceptual

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "deployments/README.md"])
WHOLE = {
    "name": "a", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", "kind": "village"},
    "generators": [{"name": "progan", "kind": "village"}],
}  # fmt: skip


def snippets(page: Path) -> list[dict]:
    """Indented or fenced blocks of a page that are YAML with keys of an audit file alone."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE) + re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    result = []
    for block in blocks:
        try:
            data = yaml.safe_load(textwrap.dedent(block))
        except yaml.YAMLError:
            continue
        if isinstance(data, dict) and set(data) & set(AuditSpec.model_fields):
            result.append(data)
    return result


SNIPPETS = [(page.name, number, data) for page in PAGES for number, data in enumerate(snippets(page))]


@pytest.mark.parametrize(("page", "number", "data"), SNIPPETS, ids=[f"{page}-{number}" for page, number, _ in SNIPPETS])
def test_what_a_page_shows_of_an_audit_file_is_taken(page, number, data, tmp_path):
    whole = {**WHOLE, **data, "folder": str(tmp_path)}
    if isinstance(whole["generators"], list):
        weights = [result.get("weights", "") for result in whole["generators"]]
        for pattern in weights:  # a pattern names files that are there
            if "*" in pattern and not pattern.startswith("/"):
                (tmp_path / pattern).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / pattern.replace("*", "100")).touch()
    if "invert" in data and not {"heldout", "real"} & set(data):
        whole["heldout"] = {"name": "h", "kind": "village"}
    parse(whole, page)


def test_the_pages_show_enough_of_them():
    assert len(SNIPPETS) >= 6 and {"audit-file.md", "inversion.md"} <= {page for page, _, _ in SNIPPETS}


@pytest.mark.parametrize("path", sorted(ROOT.glob("deployments/audits/*.yaml")), ids=lambda path: path.name)
def test_the_example_audits_are_taken(path):
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    parse({**data, "folder": str(path.parent)}, path.name)


def test_every_perceptual_distance_that_the_page_names_exists():
    from ganaudit.inversion.perceptual import KINDS

    text = (ROOT / "docs/audit-file.md").read_text(encoding="utf-8")
    named = re.search(r"`perceptual`:\s(.*?)with `perceptual_weights`", text, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`([^`]+)`", named[1])) == set(KINDS)
    assert get_args(Perceptual) == (*KINDS, "inverter")  # which presets alone name
