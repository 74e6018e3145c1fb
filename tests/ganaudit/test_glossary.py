"""The glossary names only what there is, and every role and verdict there is."""

import re
from pathlib import Path

from ganaudit.auditing.run import Audit  # noqa: F401  # before the sections, which it reads
from ganaudit.sources import roles
from ganaudit.studies.census.section.classes import SEVERITY

DOCS = Path(__file__).parents[2] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text()


def test_what_it_puts_in_code_stands_in_the_other_pages():
    others = " ".join(page.read_text() for page in DOCS.glob("*.md") if page.name != "glossary.md")
    older = {"control"}
    named = {word for code in re.findall(r"`([^`]+)`", GLOSSARY) for word in re.findall(r"\w+", code)}
    assert len(named) > 20 and {word for word in named - older if not re.search(rf"\b{word}\b", others)} == set()


def test_every_role_and_every_verdict_has_its_line():
    words = set(re.findall(r"`(\w+)`", GLOSSARY))
    assert {role for name, role in vars(roles).items() if name.isupper() and isinstance(role, str)} <= words
    terms = {term for line in re.findall(r"^\| ([^|]+) \|", GLOSSARY, re.M) for term in line.split(", ")}
    assert set(SEVERITY) <= terms
