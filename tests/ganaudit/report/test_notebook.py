"""A finished audit at a glance: its repr, and its table in a notebook."""

from html.parser import HTMLParser
from pathlib import Path

from ganaudit.auditing.run import Audit


class Cells(HTMLParser):
    """The text of each row's cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def finished(findings):
    return Audit("night-1", "done", Path("/store"), Path("/store/a b.html"), findings, 0)


def test_an_audit_is_a_few_lines_and_not_its_tables(audit):
    data = audit()
    lines = repr(finished(data.findings)).splitlines()
    assert lines[0] == "Audit night-1, done" and lines[-1].endswith("/store/a b.html")
    assert [line.split()[0] for line in lines[1:-1]] == list(data.generators) and len(repr(lines)) < 1500


def test_its_table_has_a_row_a_generator(audit):
    data = audit()
    page = finished(data.findings)._repr_html_()
    head, *rows = Cells(page).rows
    assert head[0] == "generator" and head[-1] == "FSD corrected" and "dropped" in head
    assert [row[0] for row in rows] == list(data.generators) and {len(row) for row in rows} == {len(head)}
    people = next(row for row in rows if row[0] == "no-people")
    assert "person" in people[head.index("dropped")] and "a%20b.html" in page


def test_names_are_text(audit, findings):
    row = audit().findings["fsd"].to_pylist()[0]
    page = finished(findings(fsd=[{**row, "generator": "<b>&"}]))._repr_html_()
    assert "&lt;b&gt;&amp;" in page and "<b>" not in page


def test_no_findings_at_all():
    assert "no generator has findings" in repr(finished({})) and finished({})._repr_html_().startswith("<table>")
