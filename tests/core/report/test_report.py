from __future__ import annotations

import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core.errors import Cancelled, UsageError, UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.jobs.status import JobStatus, RuleStatus
from core.profiler import analyse
from core.progress import CancelToken
from core.report import Run, export, export_tuning

SECTIONS = [
    "In short",
    "Where the time went",
    "System usage",
    "Steps",
    "Operators",
    "Data loading",
    "GPU",
    "Memory",
    "Rules",
]


class _Page(HTMLParser):
    """The tags, headings and visible text of a page; fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "path", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("path", "rect"):
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h2",):
            self.headings.append(data)
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _full(writer: Any) -> None:
    writer.system("algo-1", duration=60, gpus=2)
    writer.system("algo-2", duration=60, gpus=2)
    writer.trace("0-algo-1", steps=300, slow={100: 30.0})
    writer.trace("1-algo-2", steps=300)
    writer.aws_rule("BatchSize", {"RuleTriggered": 3, "Violations": 7, "Datapoints": 120})


def _outcome(job: str = "train-1") -> RuleOutcome:
    return RuleOutcome(
        job,
        "VanishingGradient",
        RuleStatus.ISSUES_FOUND,
        0.0,
        first_step=10,
        last_step=40,
        meaning="The first layers hardly learn <at all>.",
        advice="Lower the depth.",
    )


def test_html_has_every_section_and_needs_nothing_else(writer: Any, tmp_path: Path, start: float) -> None:
    _full(writer)
    job = TrainingJob("train-1", JobStatus.COMPLETED, start, started=start - 5, ended=start + 70)
    path = export(Run(writer.root, job, [_outcome()]), tmp_path / "report.html")
    html = path.read_text(encoding="utf-8")
    page = _Page(html)
    assert page.headings == SECTIONS
    assert all(address.startswith("#") for address in page.addresses), "nothing is fetched"
    assert "script" not in page.tags
    assert "url(" not in html
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html
    assert page.tags.count("article") >= 1
    for words in (
        "train-1",
        "Completed",
        "VanishingGradient",
        "10 to 40",
        "hardly learn <at all>",
        "3 of 120 datapoints",
    ):
        assert words in page.text, words
    for rule in analyse(writer.root).rules:
        assert rule.name in page.text
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)


def test_charts_stay_inside_their_frames(writer: Any, tmp_path: Path) -> None:
    _full(writer)
    html = export(Run(writer.root), tmp_path / "report.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<svg viewBox="0 0 (\d+) (\d+)".*?</svg>', html, re.S)
    assert len(pictures) > 8
    for match in re.finditer(r'<svg viewBox="0 0 (\d+) (\d+)"(.*?)</svg>', html, re.S):
        width, height = float(match[1]), float(match[2])
        for path in re.findall(r'class="(?:line|band|area)[^"]*" d="M([^"]*)"', match[3]):
            numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.split("V")[0])]
            assert all(-0.1 <= x <= width + 0.1 for x in numbers[0::2])
            assert all(-0.1 <= y <= height + 0.1 for y in numbers[1::2])


def test_a_machine_without_gpu_gets_a_report_that_makes_sense(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=60)
    writer.trace(steps=200)
    page = _Page(export(Run(writer.root), tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "GPU" not in page.headings
    assert "GPU utilisation" not in page.text
    assert "4 cores, no GPU" in page.text
    assert "GPUs wait" not in page.text.split("In short")[-1].split("Where the time went")[0]


def test_what_is_missing_is_said(writer: Any, tmp_path: Path) -> None:
    (path,) = writer.system(duration=30)
    path.write_text(path.read_text(encoding="utf-8") + '{"Type":"cpu","Na', encoding="utf-8")
    page = _Page(export(Run(writer.root), tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "1 damaged line was left out" in page.text
    assert "There is no step trace" in page.text
    assert "Steps" not in page.headings


def test_pdf_has_the_same_words(writer: Any, tmp_path: Path) -> None:
    _full(writer)
    pdf = export(Run(writer.root, None, [_outcome()]), tmp_path / "report.pdf")
    html = export(Run(writer.root, None, [_outcome()]), tmp_path / "report.html")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert _pages(pdf) >= 3
    assert len(_Page(html.read_text(encoding="utf-8")).headings) == len(SECTIONS)
    assert not list(tmp_path.glob(".*tmp"))


def test_pdf_is_drawn_from_every_section(writer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[tuple[str, float | None]] = []
    text = Figure.text

    def noted(self: Figure, x: float, y: float, s: str, *args: Any, **kwargs: Any) -> Any:
        drawn.append((s, kwargs.get("fontsize")))
        assert 0 <= x <= 1, s
        assert 0 <= y <= 1, s
        return text(self, x, y, s, *args, **kwargs)

    monkeypatch.setattr(Figure, "text", noted)
    _full(writer)
    export(Run(writer.root, None, [_outcome()]), tmp_path / "report.pdf")
    assert [line for line, size in drawn if size == 13] == SECTIONS
    assert {"VanishingGradient", "StepOutlier", "algo-2"} <= {line for line, _ in drawn}


def test_debugger_rules_without_an_issue_are_one_sentence(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    quiet = [
        RuleOutcome("j", name, RuleStatus.NO_ISSUES_FOUND, 0.0, meaning="Bad news.", evaluated=looked)
        for name, looked in (("Overfit", 3), ("AllZero", 1), ("DeadRelu", 0))
    ]
    written = export(Run(writer.root, None, [*quiet, _outcome("j")]), tmp_path / "r.html")
    page = _Page(written.read_text(encoding="utf-8"))
    assert "2 found no issue: AllZero, Overfit." in page.text
    assert "Nothing that these look at was saved: DeadRelu." in page.text
    assert "Bad news." not in page.text


def test_names_are_escaped(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    job = TrainingJob("<script>alert(1)</script>", JobStatus.FAILED, 0.0)
    html = export(Run(writer.root, job), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_dollars_and_long_words_do_not_break_the_pdf(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    job = TrainingJob("$x^2$" + "a" * 300, JobStatus.FAILED, 0.0)
    assert _pages(export(Run(writer.root, job), tmp_path / "report.pdf")) >= 2


def test_an_existing_report_of_aws_is_saved_as_it_is(tmp_path: Path) -> None:
    existing = tmp_path / "rule-output" / "ProfilerReport-1" / "profiler-output" / "profiler-report.html"
    existing.parent.mkdir(parents=True)
    existing.write_bytes(b"<html>by AWS \xff</html>")
    for source in (tmp_path, existing):
        saved = export(Run(source), tmp_path / "out" / "saved.html")
        assert saved.read_bytes() == existing.read_bytes()
        with pytest.raises(UserFacingError, match="cannot be turned into a PDF"):
            export(Run(source), tmp_path / "saved.pdf")


def test_wrong_use_is_said(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    with pytest.raises(UsageError, match=r"report\.html"):
        export(Run(writer.root), tmp_path / "report.docx")
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(UserFacingError, match="could not be written"):
        export(Run(writer.root), blocked / "report.html")
    with pytest.raises(UserFacingError, match="not a profiler report"):
        export(Run(blocked), tmp_path / "report.html")


def test_cancelling_leaves_the_old_file(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    old = tmp_path / "report.html"
    old.write_text("old", encoding="utf-8")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        export(Run(writer.root), old, cancel=token)
    assert old.read_text(encoding="utf-8") == "old"


def test_a_tuning_job(writer: Any, tmp_path: Path, start: float) -> None:
    writer.system(duration=60)
    writer.trace(steps=300)
    trials = [
        TrainingJob(
            f"tune-{number:03}",
            JobStatus.COMPLETED,
            start,
            started=start,
            ended=start + 60 + number,
            objective=1.0 / number,
            tuning_job="tune",
        )
        for number in (1, 2, 3)
    ]
    job = TuningJob(
        "tune",
        JobStatus.COMPLETED,
        start,
        started=start,
        ended=start + 200,
        strategy="Bayesian",
        objective_metric="Average loss",
        best_trial="tune-003",
        best_objective=1 / 3,
    )
    folders = {"tune-001": writer.root, "tune-003": writer.root}
    for suffix in (".html", ".pdf"):
        path = export_tuning(job, trials, folders.get, tmp_path / f"tune{suffix}", outcomes=[_outcome("tune-003")])
        assert path.stat().st_size > 10_000
    page = _Page((tmp_path / "tune.html").read_text(encoding="utf-8"))
    assert page.headings[:3] == ["In short", "All trials", "The best trial: tune-003"]
    assert "1 of 3 trials have no profiler files here" in page.text
    assert "tune-003 (best)" in page.text
    assert "VanishingGradient" in page.text
    with pytest.raises(UserFacingError, match="No trial of tune"):
        export_tuning(job, trials, lambda _name: None, tmp_path / "none.html")


def test_heavy_libraries_are_not_imported_with_the_package() -> None:
    code = "import sys, core.report; print(sorted({'matplotlib', 'boto3', 'torch', 'PySide6'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.stdout.strip() == "[]"


def _pages(pdf: Path) -> int:
    """How many pages a PDF has; its objects may be packed."""
    data = pdf.read_bytes()
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.S):
        try:
            data += zlib.decompress(stream)
        except zlib.error:
            continue
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", data))
