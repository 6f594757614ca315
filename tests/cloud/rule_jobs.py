"""AWS's managed Debugger in the stand-in: tensors copied to debug-output, rules by plan, an AWS-like rule-output.

The wording of a refusal is made up: AWS documents none.
"""

from __future__ import annotations

import datetime
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from tests.cloud.faults import AwsError, Error
from tests.cloud.storage import Storage

CLOSED: Error = (
    "ValidationException",
    "Amazon SageMaker Debugger is no longer open to new customers: DebugHookConfig, DebugRuleConfigurations and "
    "ProfilerRuleConfigurations are not supported for this account.",
    400,
)
REPORT_HTML = (
    "<!DOCTYPE html><html><head><title>SageMaker Debugger Profiling Report</title></head><body>{}</body></html>"
)
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.([\w-]+)\.amazonaws\.com/sagemaker-debugger-rules:latest")
_KINDS = ("Debug", "Profiler")
_WAIT_S = 60.0


def wants_managed(request: Mapping[str, Any]) -> bool:
    """Whether a request asks for anything of the managed Debugger: a condition of planned faults."""
    return any(key.startswith(("DebugHook", "DebugRule", "Profiler")) for key in request)


class RuleJobs:
    """What becomes of the rules of training jobs.

    Attributes:
        verdicts: by a configuration's name, the status it ends with and its details; NoIssuesFound if none is planned.
        go_on: rules are evaluated to their end only while this is set.
    """

    def __init__(self, storage: Storage, region: str, account: str) -> None:
        self._storage, self._region = storage, region
        self._arn = f"arn:aws:sagemaker:{region}:{account}:processing-job/"
        self.verdicts: dict[str, tuple[str, str]] = {}
        self.go_on = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Forget the plan."""
        self.verdicts.clear()
        self.go_on.set()

    def begin(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check the rules that a request asks for; returns the first statuses, as members of a description."""
        state: dict[str, Any] = {}
        for kind, configuration in _configurations(request):
            found = _IMAGE.fullmatch(configuration["RuleEvaluatorImage"])
            if found is None or found[1] != self._region:
                raise AwsError(
                    "ValidationException", f"Invalid RuleEvaluatorImage {configuration['RuleEvaluatorImage']}."
                )
            if not configuration.get("RuleParameters", {}).get("rule_to_invoke"):
                raise AwsError("ValidationException", "rule_to_invoke must be set for a built-in rule.")
            name = configuration["RuleConfigurationName"]
            status = {
                "RuleConfigurationName": name,
                "RuleEvaluationJobArn": f"{self._arn}{request['TrainingJobName'][:26]}-{name[:26]}-0a1b2c3d".lower(),
                "RuleEvaluationStatus": "InProgress",
                "LastModifiedTime": datetime.datetime.now(datetime.UTC),
            }
            state.setdefault(f"{kind}RuleEvaluationStatuses", []).append(status)
        if "ProfilerConfig" in request:
            state["ProfilingStatus"] = "Disabled" if request["ProfilerConfig"].get("DisableProfiler") else "Enabled"
        return state

    def copy_tensors(self, request: Mapping[str, Any], root: Any) -> None:
        """Bring what the job's hook saved into S3; `root` stands for /opt/ml."""
        hook = request.get("DebugHookConfig")
        if hook is None:
            return
        local = PurePosixPath(hook.get("LocalPath", "/opt/ml/output/tensors")).relative_to("/opt/ml")
        folder, place = root / local, f"{hook['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/debug-output"
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self._storage.write(f"{place}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def finish(self, request: Mapping[str, Any], state: dict[str, Any]) -> None:
        """End the rules of a job that has ended, as planned."""
        pending = list(_configurations(request))
        if pending:
            self.go_on.wait(_WAIT_S)
        for kind, configuration in pending:
            name = configuration["RuleConfigurationName"]
            status, details = self.verdicts.get(name, ("NoIssuesFound", ""))
            if status != "Error":
                self._write(request, kind, name, status == "IssuesFound")
            done = {"RuleEvaluationStatus": status, "LastModifiedTime": datetime.datetime.now(datetime.UTC)}
            done |= {"StatusDetails": details} if details else {}
            key = f"{kind}RuleEvaluationStatuses"
            state[key] = [item | done if item["RuleConfigurationName"] == name else item for item in state[key]]

    def _write(self, request: Mapping[str, Any], kind: str, name: str, triggered: bool) -> None:
        """A profiler's rule leaves a report and a verdict of each sub-rule; a rule on tensors leaves nothing."""
        if kind != "Profiler":
            return
        job, output = request["TrainingJobName"], request["ProfilerConfig"]["S3OutputPath"].rstrip("/")
        place = f"{output}/{job}/rule-output/{name}/profiler-output"
        verdict = {
            "RuleTriggered": 3 if triggered else 0,
            "Violations": 3 if triggered else 0,
            "Details": {},
            "Datapoints": 120,
            "RuleParameters": "threshold:50\ncpu_threshold:90",
        }
        self._storage.write(f"{place}/profiler-reports/CPUBottleneck.json", json.dumps(verdict).encode())
        said = f"{job}, written at {time.strftime('%Y-%m-%d')}"
        self._storage.write(f"{place}/profiler-report.html", REPORT_HTML.format(said).encode())


def _configurations(request: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in _KINDS:
        for configuration in request.get(f"{kind}RuleConfigurations", ()):
            yield kind, configuration
