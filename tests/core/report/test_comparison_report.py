from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.report import Run, export_comparison
from core.report.comparison_report import comparison_document
from core.report.document import LineChart, Table, Verdict
from core.report.reported_run import ReadRun, read_run


@pytest.fixture
def read(make_job: Any, writer: Any) -> Callable[..., ReadRun]:
    writer.system(duration=30)
    writer.trace(steps=200)

    def make(name: str, *outcomes: Any, **rest: Any) -> ReadRun:
        folder: Path = make_job(name, **rest)
        shutil.copytree(writer.root, folder / "output" / "profiler")
        found = read_run(Run(folder, None, outcomes), folder)
        assert isinstance(found, ReadRun)
        return found

    return make


def test_what_differs_is_listed_and_what_is_alike_is_not(read: Callable[..., ReadRun]) -> None:
    document = comparison_document(read("one"), read("two", learning_rate="0.1", losses=(1.5, 1.2)))
    table = next(block for block in document.sections[0].blocks if isinstance(block, Table))
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["learning_rate"] == ("0.003", "0.1")
    assert "backbone" not in rows
    assert rows["Loss, valid"] == ("0.8", "1.2")
    charts = [block for block in document.sections[0].blocks if isinstance(block, LineChart)]
    assert [[line.label for line in chart.lines] for chart in charts] == [["one", "two"], ["one", "two"]]


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (
            45,
            "one has 84.9 % (73 to 92 %) against 77.4 % (64 to 87 %) on test, "
            "which 53 pictures are too few to call better.",
        ),
        (53, "one is better than two: 100.0 % (93 to 100 %) against 77.4 % (64 to 87 %) on test."),
        (41, "Both are right on 77.4 % (64 to 87 %) of the test pictures."),
    ],
)
def test_a_difference_is_called_one_only_where_the_pictures_suffice(
    read: Callable[..., ReadRun], right: int, said: str
) -> None:
    document = comparison_document(read("one", right=right), read("two"))
    verdict = next(block for block in document.sections[0].blocks if isinstance(block, Verdict))
    assert verdict.sentences[0] == said


def test_rules_of_both_stand_side_by_side(read: Callable[..., ReadRun], found_issue: Callable[..., Any]) -> None:
    document = comparison_document(read("one"), read("two", found_issue()))
    rules = next(section for section in document.sections if section.key == "rules").blocks[0]
    assert isinstance(rules, Table)
    assert rules.rows[0] == ("LearningRateTooHigh", "—", "IssuesFound")


def test_one_file_compares_two_folders(read: Callable[..., ReadRun], tmp_path: Path) -> None:
    read("one"), read("two")
    written = export_comparison(Run(tmp_path / "one"), Run(tmp_path / "two"), tmp_path / "both.html")
    assert "Comparison of two runs" in written.read_text(encoding="utf-8")
