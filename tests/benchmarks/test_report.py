"""The report: one benchmark's run replaces its own section only, and SCALING.md follows from the figures."""

from __future__ import annotations

import re

import pytest

from core.paths import ROOT
from tests.benchmarks import scaling
from tests.benchmarks.__main__ import read_report, write_report


def test_a_run_replaces_its_own_section_only(tmp_path):
    file = tmp_path / "BENCHMARKS.md"
    order = ["Board", "Scan"]
    write_report({"Scan": "3x: met, 4x: NOT MET", "Board": "old, met"}, order, file)
    write_report(read_report(file) | {"Board": "new, NOT MET"}, order, file)
    assert read_report(file) == {"Board": "new, NOT MET", "Scan": "3x: met, 4x: NOT MET"}
    text = file.read_text()
    assert "| [Board](#board) | 0 | 1 |\n| [Scan](#scan) | 1 | 1 |" in text
    assert text.index("## Board") < text.index("## Scan")


def test_scaling_is_computed_from_the_figures_of_the_report(tmp_path, capsys):
    file, written = tmp_path / "BENCHMARKS.md", tmp_path / "SCALING.md"
    scaling.write(file, written)
    assert "not measured yet" in capsys.readouterr().err
    file.write_text("".join(f"<!-- {name} = 100 -->\n" for name in scaling.NEEDED))
    scaling.write(file, written)
    page = written.read_text()
    assert not re.search(r"\{\{|\}\}", page)
    # 1,000,000 pictures at 100 per second and core on a machine of 8 cores
    assert scaling.jobs(1, 1, 1_000_000 / 800, 0.408).usd == pytest.approx(0.15, abs=0.005)
    # … on two of them, as the program proposes, which wait for no picture to be copied; one alone does, for 500 s
    assert re.search(r"\| 1,000,000 \| 2 x ml\.c5\.2xlarge \| 13 min, 0\.381 machine-hours, \$0\.16 \|", page)
    assert re.search(r"\| 1,000,000 \| 32 min, 0\.503 machine-hours, \$0\.21 \| 2 \|", page)


def test_the_page_is_what_the_program_says_by_the_figures_of_its_report(tmp_path):
    written = tmp_path / "SCALING.md"
    scaling.write(ROOT / "docs" / "BENCHMARKS.md", written)
    assert written.read_text(encoding="utf-8") == scaling.PAGE.read_text(encoding="utf-8")
