"""The sum at the end of ``run.py test``."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.checks import Tally, read_report

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite>
  <testcase name="good"/>
  <testcase name="also good"><system-out>words</system-out></testcase>
  <testcase name="bad"><failure message="no"/></testcase>
  <testcase name="broken"><error message="no"/></testcase>
  <testcase name="left out"><skipped type="pytest.skip" message="not here"/></testcase>
  <testcase name="known"><skipped type="pytest.xfail" message="a fault of 5.0.1"/></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT, encoding="utf-8")
    assert read_report(path) == Tally(passed=2, failed=2, skipped=1, expected=1)


@pytest.mark.parametrize("text", ["", REPORT[:200]])
def test_a_report_that_was_cut_off_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.xml"
    path.write_text(text, encoding="utf-8")
    assert read_report(path) is None


def test_no_report_is_none(tmp_path: Path) -> None:
    assert read_report(tmp_path / "none.xml") is None


def test_tallies_add_up_to_the_plain_line() -> None:
    total = sum((Tally(passed=3), Tally(passed=2, failed=1, expected=4)), Tally())
    assert str(total) == "5 passed, 1 failed"
    assert str(total + Tally(skipped=2)) == "5 passed, 1 failed, 2 skipped"
