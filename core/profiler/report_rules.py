"""The sub-rules of SageMaker's ProfilerReport, over whole traces.

Names, parameters and meaning are AWS's. Two sets of defaults are published, and neither is the one that a
ProfilerReport without parameters uses: that one stands here, as real reports list it. AWS evaluates its
rules again at every scan of the files, every 60 s; here the windowed ones are evaluated at the same distances, and
`triggered` counts those evaluations, or the samples, at which the condition held.

On a machine without a GPU a rule that asks for "GPU idle and X" asks for X only, where that still says something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import UsageError
from core.profiler import rule_evaluation
from core.profiler.results import RuleResult
from core.profiler.rule_evaluation import Evidence, Outcome, Parameters
from core.translation import tr


@dataclass(frozen=True, slots=True)
class SubRule:
    """One sub-rule: what it is for, its parameters, and how it is evaluated."""

    name: str
    description: str
    recommendation: str
    parameters: Parameters
    evaluate: Callable[[Evidence, Parameters], Outcome]


def evaluate_rules(evidence: Evidence, parameters: Mapping[str, str | float] | None = None) -> tuple[RuleResult, ...]:
    """Evaluate every sub-rule; `parameters` are AWS's, as {"CPUBottleneck_threshold": 60} in any case of letters.

    Raises:
        UsageError: there is no such rule or parameter, or its value is not a number.
    """
    given = _given(parameters or {})
    results = []
    for rule in RULES:
        chosen = {**rule.parameters, **given.get(rule.name, {})}
        outcome = rule.evaluate(evidence, chosen)
        results.append(
            RuleResult(
                rule.name,
                rule.description,
                rule.recommendation,
                outcome.verdict,
                chosen,
                outcome.triggered,
                outcome.datapoints,
                outcome.detail,
            )
        )
    return tuple(results)


def with_aws(results: Sequence[RuleResult], aws: Mapping[str, Mapping[str, object]]) -> tuple[RuleResult, ...]:
    """Return the results, each with what AWS's ProfilerReport wrote about the same rule."""
    by_name = {name.lower(): content for name, content in aws.items()}
    return tuple(
        replace(
            result,
            aws=(
                f"{content.get('RuleTriggered', 0)} of {content.get('Datapoints', 0)} datapoints, "
                f"{content.get('Violations', 0)} violations"
            ),
        )
        if (content := by_name.get(result.name.lower())) is not None
        else result
        for result in results
    )


def _given(parameters: Mapping[str, str | float]) -> dict[str, dict[str, float]]:
    known = {f"{rule.name}_{name}".lower(): (rule.name, name) for rule in RULES for name in rule.parameters}
    given: dict[str, dict[str, float]] = {}
    for key, value in parameters.items():
        if key.lower() not in known:
            raise UsageError(
                tr("{key!r} is not a parameter of the profiler report.").format(key=key),
                fix=tr("Write <Rule>_<parameter>, for instance CPUBottleneck_threshold."),
            )
        rule, name = known[key.lower()]
        try:
            given.setdefault(rule, {})[name] = float(value)
        except ValueError:
            raise UsageError(
                tr("{key} = {value!r} is not a number.").format(key=key, value=value), fix="Give a number."
            ) from None
    return given


RULES: tuple[SubRule, ...] = (
    SubRule(
        "CPUBottleneck",
        tr("GPUs that wait because the CPU is saturated, for instance with decoding pictures."),
        tr("Use more loader workers, smaller or already decoded pictures, or a machine with more cores per GPU."),
        {"threshold": 50, "gpu_threshold": 10, "cpu_threshold": 90, "patience": 1000},
        rule_evaluation.cpu_bottleneck,
    ),
    SubRule(
        "IOBottleneck",
        tr("Waiting for the disk, or for input from S3."),
        tr("Keep the dataset on a local disk, read fewer and larger files, or load ahead with more workers."),
        {"threshold": 50, "gpu_threshold": 10, "io_threshold": 50, "patience": 1000},
        rule_evaluation.io_bottleneck,
    ),
    SubRule(
        "LowGPUUtilization",
        tr("A GPU that is under-used, or whose use goes up and down."),
        tr("Raise the batch size, load ahead with more workers, or take a smaller machine."),
        {"threshold_p95": 70, "threshold_p5": 10, "window": 500, "patience": 1000},
        rule_evaluation.low_gpu,
    ),
    SubRule(
        "BatchSize",
        tr("A batch too small to fill the machine."),
        tr("Raise the batch size, and the learning rate with it, or take a smaller machine."),
        {
            "cpu_threshold_p95": 70,
            "gpu_threshold_p95": 70,
            "gpu_memory_threshold_p95": 70,
            "patience": 1000,
            "window": 500,
        },
        rule_evaluation.batch_size,
    ),
    SubRule(
        "GPUMemoryIncrease",
        tr("GPU memory that grows: something is kept that is not needed any more."),
        tr(
            "Look for tensors kept with their graph (detach losses before you sum them), or take a "
            "GPU with more memory."
        ),
        {"increase": 5, "patience": 1000, "window": 10},
        rule_evaluation.gpu_memory,
    ),
    SubRule(
        "LoadBalancing",
        tr("GPUs that do unequal work."),
        tr("Give every worker batches of the same size and the same share of the dataset."),
        {"threshold": 0.2, "patience": 1000},
        rule_evaluation.load_balancing,
    ),
    SubRule(
        "MaxInitializationTime",
        tr("A long time until the first step."),
        tr("Fetch less at the start: fewer packages, streaming for large data, weights in a channel."),
        {"threshold": 20},
        rule_evaluation.initialization,
    ),
    SubRule(
        "StepOutlier",
        tr("Steps that take far longer than the others."),
        tr("See what happens at those steps: a slow disk, a checkpoint, the first batch of an epoch."),
        {"stddev": 3, "n_outliers": 10},
        rule_evaluation.step_outlier,
    ),
    SubRule(
        "Dataloader",
        tr("Too few or too many processes load data, for the number of cores."),
        tr("Set num_workers to about the number of cores."),
        {"min_threshold": 70, "max_threshold": 200},
        rule_evaluation.dataloader,
    ),
    SubRule(
        "OverallSystemUsage",
        tr("How much of each machine was used."),
        tr("A machine whose p95 stays low can be a smaller one."),
        {},
        rule_evaluation.system_usage,
    ),
    SubRule(
        "OverallFrameworkMetrics",
        tr("Where the training's time went."),
        tr("The largest share is where a change pays most."),
        {},
        rule_evaluation.framework_metrics,
    ),
)
