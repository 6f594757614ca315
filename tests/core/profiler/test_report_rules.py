from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.errors import UsageError
from core.profiler import analyse
from core.profiler.report_rules import RULES
from core.profiler.results import ProfilerAnalysis, RuleResult, Verdict

Usage = Callable[[str, str, float], float | None]


def _result(analysis: ProfilerAnalysis, name: str) -> RuleResult:
    return next(rule for rule in analysis.rules if rule.name == name)


def _busy(
    gpu: float | Callable[[str, float], float] = 90.0, cpu: float = 50.0, wait: float = 1.0, memory: float = 80.0
) -> Usage:
    """A machine of steady use; `gpu` may be a function of the GPU's name and the time."""

    def usage(name: str, dimension: str, since: float) -> float | None:
        match dimension:
            case "GPUUtilization":
                return gpu(name, since) if callable(gpu) else gpu
            case "GPUMemoryUtilization":
                return memory
            case "CPUUtilization":
                return cpu
            case "I/OWaitPercentage":
                return wait
        return None

    return usage


def test_every_sub_rule_of_aws_is_there() -> None:
    assert {rule.name for rule in RULES} == {
        "BatchSize",
        "CPUBottleneck",
        "Dataloader",
        "GPUMemoryIncrease",
        "IOBottleneck",
        "LoadBalancing",
        "LowGPUUtilization",
        "MaxInitializationTime",
        "OverallFrameworkMetrics",
        "OverallSystemUsage",
        "StepOutlier",
    }


def test_the_defaults_are_those_that_aws_reports_list() -> None:
    assert {rule.name: dict(rule.parameters) for rule in RULES if rule.parameters} == {
        "CPUBottleneck": {"threshold": 50, "cpu_threshold": 90, "gpu_threshold": 10, "patience": 1000},
        "IOBottleneck": {"threshold": 50, "io_threshold": 50, "gpu_threshold": 10, "patience": 1000},
        "LowGPUUtilization": {"threshold_p95": 70, "threshold_p5": 10, "window": 500, "patience": 1000},
        "BatchSize": {
            "cpu_threshold_p95": 70,
            "gpu_threshold_p95": 70,
            "gpu_memory_threshold_p95": 70,
            "patience": 1000,
            "window": 500,
        },
        "GPUMemoryIncrease": {"increase": 5, "patience": 1000, "window": 10},
        "LoadBalancing": {"threshold": 0.2, "patience": 1000},
        "MaxInitializationTime": {"threshold": 20},
        "StepOutlier": {"stddev": 3, "n_outliers": 10},
        "Dataloader": {"min_threshold": 70, "max_threshold": 200},
    }


def test_a_healthy_job_fires_nothing(writer: Any) -> None:
    writer.system(duration=700, cores=2, gpus=2, usage=_busy(gpu=lambda _name, t: 85 + 5 * np.sin(t), cpu=60))
    writer.trace(steps=500)
    analysis = analyse(writer.root)
    assert {rule.name for rule in analysis.rules if rule.verdict is Verdict.ISSUE} == set()
    for name in (
        "CPUBottleneck",
        "IOBottleneck",
        "LowGPUUtilization",
        "BatchSize",
        "GPUMemoryIncrease",
        "LoadBalancing",
    ):
        assert _result(analysis, name).verdict is Verdict.CLEAR, name


def test_cpu_bottleneck(writer: Any) -> None:
    writer.system(duration=600, cores=2, gpus=1, usage=_busy(gpu=lambda _name, t: 2 if t < 360 else 80, cpu=97))
    result = _result(analyse(writer.root), "CPUBottleneck")
    assert result.verdict is Verdict.ISSUE
    assert (result.triggered, result.datapoints) == (720, 1200)
    assert "60.0%" in result.detail


def test_io_bottleneck_with_and_without_gpu(writer: Any) -> None:
    writer.system("algo-1", duration=600, cores=2, gpus=1, usage=_busy(gpu=5, wait=65))
    assert _result(analyse(writer.root), "IOBottleneck").verdict is Verdict.ISSUE
    assert _result(analyse(writer.root, parameters={"iobottleneck_io_threshold": "70"}), "IOBottleneck").triggered == 0


def test_io_bottleneck_of_a_machine_without_gpu(writer: Any) -> None:
    writer.system(duration=600, cores=2, usage=_busy(wait=65))
    analysis = analyse(writer.root)
    assert _result(analysis, "IOBottleneck").verdict is Verdict.ISSUE
    assert _result(analysis, "CPUBottleneck").verdict is Verdict.NOT_APPLICABLE
    assert "The job waits for the disk" in {finding.title for finding in analysis.findings}


@pytest.mark.parametrize(
    ("gpu", "word"),
    [(lambda _n, _t: 40.0, "under-used"), (lambda _n, t: 95.0 if int(t / 5) % 2 else 3.0, "fluctuating")],
)
def test_low_gpu_utilization(writer: Any, gpu: Callable[[str, float], float], word: str) -> None:
    writer.system(duration=600, cores=1, gpus=1, usage=_busy(gpu=gpu))
    result = _result(analyse(writer.root), "LowGPUUtilization")
    assert result.verdict is Verdict.ISSUE
    assert word in result.detail


def test_batch_size(writer: Any) -> None:
    writer.system(duration=600, cores=2, gpus=1, usage=_busy(gpu=30, cpu=20, memory=15))
    assert _result(analyse(writer.root), "BatchSize").verdict is Verdict.ISSUE
    full = analyse(writer.root, parameters={"BatchSize_gpu_memory_threshold_p95": 10})
    assert _result(full, "BatchSize").verdict is Verdict.CLEAR


def test_gpu_memory_increase(writer: Any) -> None:
    def usage(_name: str, dimension: str, since: float) -> float | None:
        return min(98.0, 5 + since / 8) if dimension == "GPUMemoryUtilization" else None

    writer.system(duration=700, cores=1, gpus=1, usage=usage)
    analysis = analyse(writer.root)
    assert _result(analysis, "GPUMemoryIncrease").verdict is Verdict.ISSUE
    assert analysis.findings[0].title == "GPU memory grows"


def test_load_balancing(writer: Any) -> None:
    writer.system(duration=600, cores=1, gpus=2, usage=_busy(gpu=lambda name, _t: 20.0 if name == "gpu0" else 90.0))
    analysis = analyse(writer.root)
    assert _result(analysis, "LoadBalancing").verdict is Verdict.ISSUE
    ((first, second, distance),) = analysis.imbalance
    assert (first, second) == ("algo-1 gpu0", "algo-1 gpu1")
    assert distance == pytest.approx(np.sqrt(np.log(2)), abs=1e-6), "nothing in common"


def test_max_initialization_time(writer: Any) -> None:
    writer.system(duration=100, interval=1.0)
    writer.trace(begin=90, steps=5)
    assert _result(analyse(writer.root), "MaxInitializationTime").verdict is Verdict.CLEAR
    late = analyse(writer.root, parameters={"MaxInitializationTime_threshold": 1})
    assert _result(late, "MaxInitializationTime").verdict is Verdict.ISSUE


def test_step_outlier(writer: Any) -> None:
    writer.trace(steps=1000, slow={number: 20.0 for number in range(50, 1000, 80)})
    analysis = analyse(writer.root)
    result = _result(analysis, "StepOutlier")
    assert result.verdict is Verdict.ISSUE
    assert result.triggered == 12
    assert analysis.steps[0].outlier_count == 12
    assert all((number - 50) % 80 == 0 for _, number, *_ in analysis.steps[0].outliers)


def test_a_few_outliers_are_no_issue(writer: Any) -> None:
    writer.trace(steps=1000, slow={10: 20.0, 500: 20.0})
    assert _result(analyse(writer.root), "StepOutlier").verdict is Verdict.CLEAR


@pytest.mark.parametrize(("workers", "verdict"), [(1, Verdict.ISSUE), (4, Verdict.CLEAR), (12, Verdict.ISSUE)])
def test_dataloader(writer: Any, workers: int, verdict: Verdict) -> None:
    writer.system(duration=20, cores=4)
    path = writer.trace(steps=200)
    text = path.read_text(encoding="utf-8").removesuffix("\n]")
    text += ',\n{"name": "process_name", "ph": "M", "pid": 9, "args": {"name": "DataLoaderWorker"}}'
    for second in range(15):
        for pid in range(workers):
            text += (
                f',\n{{"name": "DataLoaderWorker", "pid": 9, "ph": "X", "ts": {second * 10**6 + pid}, "dur": 900000,'
                f' "args": {{"pid": {100 + pid}}}}}'
            )
    path.write_text(text + "\n]", encoding="utf-8")
    assert _result(analyse(writer.root), "Dataloader").verdict is verdict


def test_short_jobs_have_too_few_data(writer: Any) -> None:
    writer.system(duration=5, gpus=1)
    writer.trace(steps=5)
    verdicts = {rule.name: rule.verdict for rule in analyse(writer.root).rules}
    for name in ("CPUBottleneck", "IOBottleneck", "LowGPUUtilization", "BatchSize", "StepOutlier"):
        assert verdicts[name] is Verdict.TOO_FEW, name


def test_parameters_are_checked(writer: Any) -> None:
    writer.system(duration=2)
    with pytest.raises(UsageError, match="is not a parameter"):
        analyse(writer.root, parameters={"CPUBottleneck_colour": 1})
    with pytest.raises(UsageError, match="is not a number"):
        analyse(writer.root, parameters={"CPUBottleneck_threshold": "much"})


def test_aws_verdicts_stand_beside_ours(writer: Any) -> None:
    writer.system(duration=2)
    writer.aws_rule("CPUBottleneck", {"RuleTriggered": 3, "Violations": 12, "Datapoints": 240})
    analysis = analyse(writer.root)
    assert _result(analysis, "CPUBottleneck").aws == "3 of 240 datapoints, 12 violations"
    assert _result(analysis, "BatchSize").aws == ""
