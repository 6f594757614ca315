from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import JobStatus, RuleStatus
from core.profiler import analyse
from core.profiler.results import Verdict
from core.profiler.usage import bucketed
from core.profiler.wording import seconds
from core.report import charts
from core.report.document import LineChart
from training_scripts.profiler.steps import StepTrace


def test_times_come_from_steps_and_from_the_job(writer: Any, start: float) -> None:
    writer.system(duration=100)
    writer.trace(begin=20, steps=500)
    times = analyse(writer.root).times
    assert times.initialization == pytest.approx(20, abs=0.1)
    assert times.loop == pytest.approx(40, rel=0.01)
    assert times.finalization == pytest.approx(39.5, abs=1)
    job = TrainingJob("j", JobStatus.COMPLETED, start - 50, started=start - 30, ended=start + 200)
    times = analyse(writer.root, job=job).times
    assert times.duration == pytest.approx(230)
    assert times.initialization == pytest.approx(50, abs=0.1)


def test_usage_statistics(writer: Any) -> None:
    values = iter(range(1, 201))
    writer.system(duration=100, cores=1, usage=lambda _n, d, _t: next(values) / 2 if d == "CPUUtilization" else None)
    row = next(row for row in analyse(writer.root).usage if row.resource == "CPU")
    assert (row.node, row.unit, row.min, row.max) == ("algo-1", "%", 0.5, 100.0)
    assert (row.p50, row.p95, row.p99) == pytest.approx((50.25, 95.0, 99.0), abs=0.1)


def test_shares_of_a_step(writer: Any) -> None:
    writer.trace(steps=300)
    shares = analyse(writer.root).shares
    total = sum(shares.values())
    assert {phase: round(spent / total, 2) for phase, spent in shares.items() if spent / total > 0.005} == {
        "data_loading": 0.12,
        "forward": 0.25,
        "backward": 0.5,
        "optimizer": 0.12,
    }


def test_a_thinned_trace_keeps_its_shares(tmp_path: Path) -> None:
    shares = []
    for full in (10_000, 100):
        now = [1_795_300_020_000_000_000]
        trace = StepTrace(tmp_path / str(full), "algo-1", lambda now=now: now[0], full_steps=full)  # type: ignore[misc]
        for epoch in range(5):
            for number in range(500):
                trace.begin_phase("data_loading")
                now[0] += 2_000_000
                trace.end_phase("data_loading")
                trace.begin_step("TRAIN", epoch * 500 + number)
                trace.begin_phase("forward")
                now[0] += 6_000_000
                trace.end_phase("forward")
                trace.end_step()
            trace.begin_phase("evaluation")
            now[0] += 1_000_000_000
            trace.end_phase("evaluation")
        trace.close()
        shares.append(analyse(tmp_path / str(full)).shares)
    every, thinned = shares
    assert thinned.keys() - every.keys() <= {"untraced"}
    assert thinned.get("untraced", 0.0) < 0.05 * sum(every.values())
    for phase, spent in every.items():
        assert thinned[phase] == pytest.approx(spent, rel=0.1, abs=0.05), phase


def test_a_slow_first_step_stands_for_itself_alone(tmp_path: Path) -> None:
    now = [1_795_300_020_000_000_000]
    trace = StepTrace(tmp_path, "algo-1", lambda: now[0], steps_apart_s=0.01)
    for number in range(620):
        trace.begin_step("TRAIN", number)
        trace.begin_phase("forward")
        now[0] += 60_000_000 if number == 0 else 50_000
        trace.end_phase("forward")
        now[0] += 950_000
        trace.end_step()
    trace.close()
    assert analyse(tmp_path).shares["forward"] == pytest.approx(0.06 + 619 * 0.00005, rel=0.02)


def test_evaluation_is_counted_once(tmp_path: Path) -> None:
    now = [1_795_300_020_000_000_000]
    trace = StepTrace(tmp_path, "algo-1", lambda: now[0])
    trace.begin_phase("evaluation")
    for number in range(10):
        trace.begin_step("EVAL", number)
        trace.begin_phase("forward")
        now[0] += 100_000_000
        trace.end_phase("forward")
        trace.end_step()
    trace.end_phase("evaluation")
    trace.close()
    assert analyse(tmp_path).shares == pytest.approx({"evaluation": 1.0})


def test_the_track_covers_the_loop(writer: Any) -> None:
    writer.trace(steps=1000)
    track = analyse(writer.root).track
    assert track is not None
    whole = np.sum(list(track.shares.values()), axis=0)
    assert whole[5:-5] == pytest.approx(1.0, abs=0.02)
    assert len(track.spans) == 4000
    means = {phase: float(share.mean()) for phase, share in track.shares.items()}
    assert means["backward"] == pytest.approx(0.5, abs=0.01)
    assert means["data_loading"] == pytest.approx(0.125, abs=0.01)


def test_loading_is_found_with_what_it_costs(writer: Any) -> None:
    writer.system(duration=120, cores=1)
    writer.trace(steps=1000, phases={"DataLoaderIter": 0.06, "Forward": 0.02, "Backward(post-forward)": 0.02})
    finding = analyse(writer.root).findings[0]
    assert finding.title == "Training waits for data"
    assert "60%" in finding.text
    assert finding.gain_s == pytest.approx(60, rel=0.02)
    assert "num_workers" in finding.change
    assert "2 times as fast" in finding.gain


def test_slow_worker_is_found(writer: Any) -> None:
    for worker, lasted in (("0-algo-1", 0.05), ("1-algo-2", 0.05), ("2-algo-3", 0.09)):
        writer.trace(worker, steps=800, phases={"Forward": lasted})
    finding = next(f for f in analyse(writer.root).findings if f.title == "One worker holds up the others")
    assert "algo-3-2" in finding.text


def _issue(rule: str = "LearningRateTooHigh") -> RuleOutcome:
    return RuleOutcome("j", rule, RuleStatus.ISSUES_FOUND, 0.0, meaning="The steps are too long.", advice="Try 0.01.")


def test_a_debugger_rule_comes_before_what_costs_time(writer: Any) -> None:
    writer.system(duration=120, cores=1)
    writer.trace(steps=1000, phases={"DataLoaderIter": 0.06, "Forward": 0.02, "Backward(post-forward)": 0.02})
    first, second, *_ = analyse(writer.root, outcomes=[_issue()]).findings
    assert (first.title, first.change, first.evidence) == ("LearningRateTooHigh", "Try 0.01.", "rules")
    assert second.title == "Training waits for data"


def test_nothing_healthy_stands_beside_an_issue(writer: Any) -> None:
    writer.system(duration=40)
    writer.trace(steps=300)
    healthy = analyse(writer.root).findings
    assert {finding.severity for finding in healthy} == {"info"}
    assert {finding.severity for finding in analyse(writer.root, outcomes=[_issue()]).findings} == {"cause"}
    text = " ".join(f"{finding.title} {finding.text} {finding.change}" for finding in healthy)
    assert "Nothing needs to change" not in text
    assert "No rule found" not in text


def test_a_job_of_seconds_gets_no_advice_on_time(writer: Any) -> None:
    phases = {"DataLoaderIter": 0.06, "Forward": 0.01, "Backward(post-forward)": 0.01}
    writer.trace(begin=1, steps=30, phases=phases)
    assert [finding for finding in analyse(writer.root).findings if finding.severity == "warning"] == []
    writer.trace("1-algo-1", begin=1, steps=1000, phases=phases)
    assert analyse(writer.root).findings[0].title == "Training waits for data"


def test_steps_without_phases_are_not_said_to_be_neither_data_nor_computing(writer: Any) -> None:
    writer.trace(steps=1000, phases={"Unknown": 0.1})
    analysis = analyse(writer.root)
    assert analysis.shares == {}
    assert [finding for finding in analysis.findings if finding.severity == "warning"] == []


def test_what_is_not_traced_is_not_called_other(writer: Any) -> None:
    writer.trace(steps=1000, phases={"DataLoaderIter": 0.01, "Unknown": 0.1})
    analysis = analyse(writer.root)
    assert analysis.shares["untraced"] == pytest.approx(100, rel=0.02)
    assert "other" not in analysis.shares
    assert "neither data nor computing" not in " ".join(finding.title for finding in analysis.findings)


def test_memory_that_fills_once_is_no_leak(writer: Any) -> None:
    def usage(_name: str, dimension: str, since: float) -> float | None:
        return (3.0 if since < 20 else 80.0) if dimension == "GPUMemoryUtilization" else None

    writer.system(duration=700, gpus=1, cores=1, usage=usage)
    analysis = analyse(writer.root)
    assert not analysis.gpu_use[0].memory_grows
    assert "GPU memory grows" not in {finding.title for finding in analysis.findings}
    assert next(rule for rule in analysis.rules if rule.name == "GPUMemoryIncrease").verdict is Verdict.CLEAR


def test_the_gpu_is_judged_in_the_training_loop(writer: Any) -> None:
    def usage(_name: str, dimension: str, since: float) -> float | None:
        return (0.0 if since < 60 else 95.0) if dimension == "GPUUtilization" else None

    writer.system(duration=120, gpus=1, usage=usage)
    writer.trace(begin=60, steps=700)
    analysis = analyse(writer.root)
    assert analysis.gpu_use[0].mean == 95.0
    assert "The GPU is idle for much of the time" not in {finding.title for finding in analysis.findings}


@pytest.mark.parametrize(("steps", "even"), [(99, False), (100, True)])
def test_steps_are_called_even_from_a_hundred_on(writer: Any, steps: int, even: bool) -> None:
    writer.trace(steps=steps)
    assert ("Steps are even" in {finding.title for finding in analyse(writer.root).findings}) is even


def test_only_verdicts_of_aws_are_enough(writer: Any) -> None:
    writer.aws_rule("BatchSize", {"RuleTriggered": 1, "Violations": 1, "Datapoints": 9})
    analysis = analyse(writer.root)
    assert analysis.aws_rules["BatchSize"]["Datapoints"] == 9
    assert analysis.nodes == ()
    assert analysis.findings[0].title == "AWS's report found: BatchSize"
    assert "No rule found an issue" not in {finding.title for finding in analysis.findings}


def test_bucketed_keeps_extremes() -> None:
    times, values = np.arange(10_000.0), np.zeros(10_000)
    values[1234], values[8765] = 100.0, np.nan
    starts, low, mean, high = bucketed(times, values, 100)
    assert len(starts) == 100
    assert high.max() == 100.0
    assert mean.max() == pytest.approx(1.0)
    assert low.min() == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0004, "0.4 ms"), (0.4, "0.4 s"), (12.3, "12 s"), (100, "1 min 40 s"), (120, "2 min"), (7800, "2 h 10 min")],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("own", "found"), [(30.0, True), (90.0, False)])
def test_other_programs_are_told_apart_from_the_job(writer: Any, own: float, found: bool) -> None:
    files = writer.system(duration=120, cores=2, usage=lambda _n, d, _t: 95.0 if d == "CPUUtilization" else None)
    for path in files:
        text = path.read_text(encoding="utf-8")
        stamps = dict.fromkeys(json.loads(line)["Timestamp"] for line in text.splitlines())
        sample = {"Type": "process", "Name": "job", "Dimension": "CPUUtilization", "Value": own, "NodeId": "algo-1"}
        lines = [json.dumps({**sample, "Timestamp": stamp}) + "\n" for stamp in stamps]
        path.write_text(text + "".join(lines), encoding="utf-8")
    writer.trace(steps=1000)
    analysis = analyse(writer.root)
    assert analysis.cpu_pressure["CPU of the job"] == pytest.approx(own)
    assert ("Other programs use the processor" in {finding.title for finding in analysis.findings}) is found
    (chart,) = charts.of_job(analysis, "CPU")
    assert isinstance(chart, LineChart)
    assert [line.label for line in chart.lines] == ["all programs", "this job"]
    assert chart.lines[1].y == pytest.approx(own)
