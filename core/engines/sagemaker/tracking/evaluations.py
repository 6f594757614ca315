"""What AWS's own rules say of a training job, live: statuses of DescribeTrainingJob as rule outcomes in the store.

Each rule is a processing job of AWS's that may outlive the training job; when the last of them has ended, what they
wrote is fetched, the profiler report among it.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from core.debugger.aws_output import SUFFIX, rule_name, words_of
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.tracking.artifacts import fetch_rule_output
from core.errors import UserFacingError
from core.jobs.contract import JobFolder
from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.paths import AppPaths
from core.store import Store
from core.translation import tr

OPEN = (RuleStatus.IN_PROGRESS, RuleStatus.STOPPING)
_FOLLOWED_S = 24 * 3600.0
"""So long past a job's end its rules are waited for."""
_KINDS = ("Debug", "Profiler")
_FINAL = ("Completed", "Failed", "Stopped")
_STEP = re.compile(r"\bat step (\d+)")
_SENTENCES = {
    RuleStatus.IN_PROGRESS: tr("AWS is evaluating it."),
    RuleStatus.NO_ISSUES_FOUND: tr("AWS found no issue."),
    RuleStatus.ISSUES_FOUND: tr("AWS found its condition met."),
    RuleStatus.ERROR: tr("AWS's rule job failed."),
    RuleStatus.STOPPING: tr("AWS is stopping it."),
    RuleStatus.STOPPED: tr("AWS stopped it."),
}
_logger = logging.getLogger(__name__)
Description = Mapping[str, Any]


class Evaluations:
    """Records AWS's rules of the jobs of a store; not thread-safe, the poller's thread uses it."""

    def __init__(self, aws: Aws, paths: AppPaths, store: Store) -> None:
        self._aws, self._paths, self._store = aws, paths, store

    def record(self, name: str, description: Description) -> None:
        """Write down what a job's description says of AWS's rules, as far as it is new."""
        outcomes = outcomes_in(name, description)
        if not outcomes:
            return
        folder = JobFolder(self._paths.jobs / name)
        notes = CloudJobState.load(folder.root)
        if not notes.rule_output and (place := _output(description)):
            notes = CloudJobState.change(folder.root, rule_output=f"{place}/{name}")
        if _has_ended(description) and not any(outcome.status in OPEN for outcome in outcomes):
            try:
                fetch_rule_output(self._aws, notes, folder, final=True)
            except UserFacingError as error:  # the next look at the job asks for it again
                _logger.warning("what AWS's rules wrote of %s could not be fetched: %s", name, error)
        known = {outcome.rule: (outcome.status, outcome.details) for outcome in self._store.outcomes(name)}
        self._store.record(item for item in outcomes if known.get(item.rule) != (item.status, item.details))

    def give_up(self, name: str) -> None:
        """Note that the job is gone: what its rules would have said is never to be known."""
        gone, now = tr("AWS does not know this job any more."), time.time()
        open_ = [outcome for outcome in self._store.outcomes(name) if outcome.status in OPEN]
        self._store.record(
            RuleOutcome(name, outcome.rule, RuleStatus.STOPPED, now, details=gone)
            for outcome in open_
            if outcome.rule.endswith(SUFFIX)
        )


def evaluating(store: Store, name: str) -> bool:
    """Whether AWS still evaluates some rule of a job, as far as is known here."""
    return any(outcome.status in OPEN and outcome.rule.endswith(SUFFIX) for outcome in store.outcomes(name))


def outcomes_in(name: str, description: Description) -> list[RuleOutcome]:
    """Return an outcome for each of AWS's rules that a job's description names, with its status or without one."""
    return [_overdue(outcome, description) for kind in _KINDS for outcome in _outcomes(name, description, kind)]


def _outcomes(name: str, description: Description, kind: str) -> Iterator[RuleOutcome]:
    asked = {item["RuleConfigurationName"]: item for item in description.get(f"{kind}RuleConfigurations") or ()}
    statuses = {item["RuleConfigurationName"]: item for item in description.get(f"{kind}RuleEvaluationStatuses") or ()}
    for configuration in asked | statuses:
        parameters = dict(asked.get(configuration, {}).get("RuleParameters") or {})
        rule = str(parameters.pop("rule_to_invoke", "")) or rule_name(configuration)
        meaning, advice = words_of(rule)
        status, details, moment = _said(statuses.get(configuration), description)
        if status is RuleStatus.ERROR:
            advice = tr("Its log is in CloudWatch, group /aws/sagemaker/ProcessingJobs")
            arn = str(statuses.get(configuration, {}).get("RuleEvaluationJobArn", ""))
            advice += f", streams {arn.rpartition('/')[2]}." if arn else "."
        step = _STEP.search(details)
        yield RuleOutcome(
            name,
            rule_name(configuration) + SUFFIX,
            status,
            moment,
            first_step=int(step[1]) if step else None,
            meaning=meaning,
            advice=advice,
            details=details,
            parameters=parameters,
        )


def _said(statuses: Description | None, description: Description) -> tuple[RuleStatus, str, float]:
    """Return status, details and time of a rule in AWS's words; without any, what that means."""
    if statuses is None or "RuleEvaluationStatus" not in statuses:
        moment = description.get("LastModifiedTime") or description.get("CreationTime")
        when = moment.timestamp() if moment is not None else time.time()
        if _has_ended(description):
            return RuleStatus.ERROR, tr("The job has ended, and AWS gave no status of this rule."), when
        return RuleStatus.IN_PROGRESS, tr("AWS has not begun to evaluate it."), when
    word, moment = str(statuses["RuleEvaluationStatus"]), statuses.get("LastModifiedTime")
    known = {str(status): status for status in RuleStatus}
    status = known.get(word, RuleStatus.IN_PROGRESS)
    details = str(statuses.get("StatusDetails") or "").strip() or _SENTENCES[status]
    return status, details if word in known else f"{word}: {details}", moment.timestamp() if moment else time.time()


def _overdue(outcome: RuleOutcome, description: Description) -> RuleOutcome:
    """Return a rule that AWS says is evaluated a day after the job's end will hardly have a result."""
    ended = description.get("TrainingEndTime")
    if outcome.status not in OPEN or ended is None or time.time() - ended.timestamp() < _FOLLOWED_S:
        return outcome
    details = tr("A day after the job's end AWS still says {status}: {details}").format(
        status=outcome.status, details=outcome.details
    )
    return dataclasses.replace(outcome, status=RuleStatus.ERROR, details=details)


def _output(description: Description) -> str:
    """Return the s3:// prefix that AWS's Debugger writes a folder for each job under; "" where none is named."""
    for member in ("ProfilerConfig", "DebugHookConfig"):
        if place := str((description.get(member) or {}).get("S3OutputPath", "")):
            return place.rstrip("/")
    return ""


def _has_ended(description: Description) -> bool:
    return str(description.get("TrainingJobStatus", "")) in _FINAL
