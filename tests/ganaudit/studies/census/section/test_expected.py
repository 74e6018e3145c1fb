"""Published values on the page and in words."""

from dataclasses import replace

from ganaudit.records.schema import FINDINGS
from ganaudit.report import render, words
from ganaudit.report.data import Interval
from ganaudit.studies.census.section.expected import expectations, expected_part, expected_words

SAID = {"run": "r1", "real": "village", "generator": "progan", "source": "Bau <et al.>, 2019", "within": 0.01}


def held(**rows):
    return [
        {**SAID, "figure": "relative_change", "class": "person", "expected": -0.63, "measured": -0.6, "measured_low": -0.7,
         "measured_high": -0.5, "verdict": "met", **rows},
        {**SAID, "figure": "fsd", "class": None, "expected": 85.2, "measured": 40.0, "verdict": "withheld"},
    ]  # fmt: skip


def test_the_page_shows_each_value_beside_what_was_measured(audit):
    data = audit()
    assert expected_part(data) == []
    data = replace(data, findings={**data.findings, "expectations": FINDINGS["expectations"].from_rows(held())})
    page = render(data)
    assert "Published values" in page and "Bau &lt;et al.&gt;, 2019" in page and "<et al.>" not in page
    assert "relative change of person" in page and "−0.63 ± 0.01" in page
    assert words.spread(Interval(-0.6, -0.7, -0.5)) in page


def test_words_count_what_is_met_and_what_chance_would_miss():
    def known(*verdicts):
        rows = [{**held()[0], "verdict": verdict} for verdict in verdicts]
        return expectations({"expectations": FINDINGS["expectations"].from_rows(rows)})

    assert expected_words(known("met")) == "1 of 1 published value is met within sampling error"
    said = expected_words(known("met", "met", "not met", "withheld"), 0.05)
    assert "2 of 3 published values are met" in said and "1 is not" in said and "0.15" in said and "of 1 there is no" in said
