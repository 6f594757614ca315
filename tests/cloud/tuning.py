"""Tuning jobs that really search: trials are ordinary training jobs.

The next trial is drawn at random from the ranges, with their scaling (Grid: the product of the categorical values).
Bayesian and Hyperband draw at random as well: how AWS chooses is not documented, and nothing here may depend on it.
Warm start, convergence and the longest search are taken and have no effect. Early stopping is AWS's documented rule:
worse than the median of the running averages of earlier trials.
"""

from __future__ import annotations

import itertools
import math
import random
import secrets
import statistics
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cloud.faults import AwsError
from tests.cloud.training import FINAL, TrainingJob, TrainingJobs, now

_POLL_SECONDS = 0.1
_FIRST_FAILURES = 5


@dataclass
class TuningJob:
    """A tuning job: the request as it came, and its trials in the order they were started."""

    request: Mapping[str, Any]
    arn: str
    state: dict[str, Any]
    trials: list[TrainingJob] = field(default_factory=list)
    tuned: dict[str, dict[str, str]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return str(self.request["HyperParameterTuningJobName"])

    @property
    def objective(self) -> tuple[str, bool]:
        """The metric's name, and whether more is better."""
        objective = self.request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
        return objective["MetricName"], objective["Type"] == "Maximize"

    def value(self, trial: TrainingJob) -> float | None:
        """A trial's final objective."""
        values = [value for name, value, _ in trial.metrics if name == self.objective[0]]
        return values[-1] if values else None

    def summary(self, trial: TrainingJob) -> dict[str, Any]:
        """One trial as ListTrainingJobsForHyperParameterTuningJob tells it."""
        value = self.value(trial)
        status = trial.state["TrainingJobStatus"]
        answer: dict[str, Any] = {
            "TrainingJobName": trial.name,
            "TrainingJobArn": trial.arn,
            "CreationTime": trial.state["CreationTime"],
            "TrainingJobStatus": status,
            "TunedHyperParameters": self.tuned[trial.name],
        }
        for key in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
            if key in trial.state:
                answer[key] = trial.state[key]
        if status in FINAL:
            answer["ObjectiveStatus"] = "Succeeded" if value is not None and status != "Failed" else "Failed"
            if value is not None:
                answer["FinalHyperParameterTuningJobObjectiveMetric"] = {
                    "MetricName": self.objective[0],
                    "Value": value,
                    "Type": "Maximize" if self.objective[1] else "Minimize",
                }
        else:
            answer["ObjectiveStatus"] = "Pending"
        return answer

    def best(self) -> dict[str, Any] | None:
        """The best trial that succeeded."""
        done = [item for item in map(self.summary, self.trials) if item["ObjectiveStatus"] == "Succeeded"]
        sign = -1 if self.objective[1] else 1
        return min(
            done, key=lambda item: sign * item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], default=None
        )

    def describe(self) -> dict[str, Any]:
        """DescribeHyperParameterTuningJob's answer."""
        statuses = [trial.state["TrainingJobStatus"] for trial in self.trials]
        objectives = [self.summary(trial)["ObjectiveStatus"] for trial in self.trials]
        answer = {key: value for key, value in self.request.items() if key != "Tags"}
        answer |= {
            "HyperParameterTuningJobArn": self.arn,
            **self.state,
            "TrainingJobStatusCounters": {
                "Completed": statuses.count("Completed"),
                "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
                "RetryableError": 0,
                "NonRetryableError": statuses.count("Failed"),
                "Stopped": statuses.count("Stopped"),
            },
            "ObjectiveStatusCounters": {
                "Succeeded": objectives.count("Succeeded"),
                "Pending": objectives.count("Pending"),
                "Failed": objectives.count("Failed"),
            },
        }
        best = self.best()
        if best is not None:
            answer["BestTrainingJob"] = best
        return answer


class TuningJobs:
    """All tuning jobs of a stand-in cloud."""

    def __init__(self, training: TrainingJobs, region: str, account: str) -> None:
        self._training = training
        self._arn = f"arn:aws:sagemaker:{region}:{account}:hyper-parameter-tuning-job/"
        self._lock = threading.Lock()
        self.jobs: dict[str, TuningJob] = {}

    def create(self, request: Mapping[str, Any]) -> TuningJob:
        """Start a tuning job."""
        name = request["HyperParameterTuningJobName"]
        _check(request)
        with self._lock:
            if name in self.jobs:
                raise AwsError("ResourceInUse", f"Tuning job names must be unique. {name} already exists.")
            moment = now()
            state = {"HyperParameterTuningJobStatus": "InProgress", "CreationTime": moment, "LastModifiedTime": moment}
            job = TuningJob(request, self._arn + name.lower(), state)
            self.jobs[name] = job
        job.thread = threading.Thread(target=self._run, args=(job,), name=f"cloud-{name}", daemon=True)
        job.thread.start()
        return job

    def get(self, name: str) -> TuningJob:
        """A tuning job by name."""
        with self._lock:
            if name not in self.jobs:
                raise AwsError("ResourceNotFound", f"Hyperparameter tuning job {name} does not exist.")
            return self.jobs[name]

    def stop(self, name: str) -> None:
        """Ask a tuning job to stop, with its running trials."""
        job = self.get(name)
        if (status := job.state["HyperParameterTuningJobStatus"]) in FINAL:
            why = f"The request was rejected because the hyperparameter tuning job is in status {status}."
            raise AwsError("ValidationException", why)
        job.state["HyperParameterTuningJobStatus"] = "Stopping"
        job.stopping.set()

    def delete(self, name: str) -> None:
        """Forget a tuning job that has ended; its trials stay."""
        job = self.get(name)
        if job.state["HyperParameterTuningJobStatus"] not in FINAL:
            raise AwsError("ResourceInUse", f"The tuning job {name} is still running.")
        with self._lock:
            del self.jobs[name]

    def close(self) -> None:
        """End every search and wait for its thread."""
        for job in list(self.jobs.values()):
            job.stopping.set()
        for job in list(self.jobs.values()):
            if job.thread is not None:
                job.thread.join(60)

    def _run(self, job: TuningJob) -> None:
        limits = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        draws = _draws(job.request)
        wanted = limits.get("MaxNumberOfTrainingJobs", math.inf)
        exhausted = enough = False
        while True:
            running = [trial for trial in job.trials if trial.state["TrainingJobStatus"] not in FINAL]
            enough = enough or _enough(job)
            if enough or job.stopping.is_set():
                self._stop_all(running)
            elif self._hopeless(job):
                exhausted = True  # those that run are waited for
            elif not exhausted and len(job.trials) < wanted and len(running) < limits["MaxParallelTrainingJobs"]:
                tuned = next(draws, None)
                if tuned is None:
                    exhausted = True
                else:
                    self._start_trial(job, tuned)
                continue
            if not running:
                break
            if job.request["HyperParameterTuningJobConfig"].get("TrainingJobEarlyStoppingType") == "Auto":
                self._stop_stragglers(job, running)
            job.stopping.wait(_POLL_SECONDS) if not job.stopping.is_set() else threading.Event().wait(_POLL_SECONDS)
        status = "Stopped" if job.stopping.is_set() else "Failed" if self._hopeless(job) else "Completed"
        if status == "Failed":
            count = len(job.trials)
            job.state["FailureReason"] = f"No training job succeeded after {count} attempts."
        job.state["HyperParameterTuningEndTime"] = job.state["LastModifiedTime"] = now()
        job.state["HyperParameterTuningJobStatus"] = status

    def _hopeless(self, job: TuningJob) -> bool:
        ended = [status for trial in job.trials if (status := trial.state["TrainingJobStatus"]) in FINAL]
        return len(ended) >= _FIRST_FAILURES and all(status == "Failed" for status in ended)

    def _stop_all(self, running: list[TrainingJob]) -> None:
        for trial in running:
            if not trial.stopping:
                self._training.stop(trial.name)

    def _stop_stragglers(self, job: TuningJob, running: list[TrainingJob]) -> None:
        name, maximize = job.objective
        curves = {trial.name: [value for key, value, _ in trial.metrics if key == name] for trial in job.trials}
        finished = [curves[trial.name] for trial in job.trials if trial.state["TrainingJobStatus"] == "Completed"]
        for trial in running:
            curve = curves[trial.name]
            means = [statistics.fmean(other[: len(curve)]) for other in finished if len(other) >= len(curve) > 1]
            if len(means) < 2 or trial.stopping:
                continue
            best = max(curve) if maximize else min(curve)
            median = statistics.median(means)
            if (best < median) if maximize else (best > median):
                self._training.stop(trial.name)

    def _start_trial(self, job: TuningJob, tuned: dict[str, str]) -> None:
        definition = job.request.get("TrainingJobDefinition") or job.request["TrainingJobDefinitions"][0]
        name = f"{job.name}-{len(job.trials) + 1:03d}-{secrets.token_hex(4)}"
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "HyperParameters": {
                **definition.get("StaticHyperParameters", {}),
                **tuned,
                "_tuning_objective_metric": job.objective[0],
            },
            "ResourceConfig": definition.get("ResourceConfig") or definition["HyperParameterTuningResourceConfig"],
        }
        request |= {
            key: definition[key]
            for key in (
                *("AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig"),
                *("StoppingCondition", "EnableNetworkIsolation", "EnableManagedSpotTraining", "CheckpointConfig"),
                *("RetryStrategy", "Environment"),
            )
            if key in definition
        }
        job.tuned[name] = tuned
        job.trials.append(self._training.create(request, job.arn))


def _enough(job: TuningJob) -> bool:
    """Whether a completion criterion is met: the target reached, or too many trials without a better one."""
    criteria = job.request["HyperParameterTuningJobConfig"].get("TuningJobCompletionCriteria", {})
    sign = -1 if job.objective[1] else 1
    done = [job.summary(trial) for trial in list(job.trials)]
    values = [
        sign * item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for item in done
        if item["ObjectiveStatus"] == "Succeeded"
    ]
    if not values:
        return False
    target = criteria.get("TargetObjectiveMetricValue")
    patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving", math.inf)
    since_best = len(values) - 1 - values.index(min(values))
    return (target is not None and min(values) <= sign * target) or since_best >= patience


def _check(request: Mapping[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Hyperband" and config.get("TrainingJobEarlyStoppingType") == "Auto":
        raise AwsError("ValidationException", "TrainingJobEarlyStoppingType must be Off when Strategy is Hyperband.")
    ranges = _ranges(request)
    if config["Strategy"] == "Grid" and (
        ranges.get("IntegerParameterRanges") or ranges.get("ContinuousParameterRanges")
    ):
        raise AwsError("ValidationException", "Grid search supports categorical parameters only.")


def _ranges(request: Mapping[str, Any]) -> Mapping[str, Any]:
    definition = request.get("TrainingJobDefinition") or request["TrainingJobDefinitions"][0]
    ranges: Mapping[str, Any] = (
        request["HyperParameterTuningJobConfig"].get("ParameterRanges") or definition["HyperParameterRanges"]
    )
    return ranges


def _draws(request: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    config = request["HyperParameterTuningJobConfig"]
    ranges = _ranges(request)
    categorical = {item["Name"]: item["Values"] for item in ranges.get("CategoricalParameterRanges", ())}
    if config["Strategy"] == "Grid":
        for values in itertools.product(*categorical.values()):
            yield dict(zip(categorical, values, strict=True))
        return
    generator = random.Random(config.get("RandomSeed", 0))
    while True:
        drawn = {name: generator.choice(values) for name, values in categorical.items()}
        for item in ranges.get("ContinuousParameterRanges", ()):
            drawn[item["Name"]] = repr(_between(generator, item))
        for item in ranges.get("IntegerParameterRanges", ()):
            drawn[item["Name"]] = str(round(_between(generator, item)))
        yield drawn


def _between(generator: random.Random, item: Mapping[str, Any]) -> float:
    low, high = float(item["MinValue"]), float(item["MaxValue"])
    scaling = item.get("ScalingType", "Auto")
    if scaling == "Logarithmic":
        return math.exp(generator.uniform(math.log(low), math.log(high)))
    if scaling == "ReverseLogarithmic":
        return 1 - math.exp(generator.uniform(math.log(1 - high), math.log(1 - low)))
    return generator.uniform(low, high)
