"""What AWS's own rule jobs wrote under a training job's `rule-output/`, as outcomes beside ours.

ProfilerReport and the profiler's rules leave `<configuration>-…/profiler-output/profiler-reports/<Rule>.json` there,
with RuleTriggered, Violations, Details, Datapoints and RuleParameters; smdebug's `Rule` has the same report. The status
that SageMaker shows for a rule is kept by its API alone, which core/engines/sagemaker/tracking/evaluations.py asks, so
here a rule that never triggered has found no issue.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.profiler.report_rules import RULES as PROFILER_RULES
from core.translation import tr
from training_scripts.debugger.rules import ALIASES, RULES
from training_scripts.outside import parse_json

FOLDER = "rule-output"
SUFFIX = " (AWS)"
"""After a rule's name, for ours of the same name may stand beside it."""
REPORTS = "profiler-reports"
_COUNTS = ("RuleTriggered", "Violations", "Datapoints")
_MADE_UP = re.compile(r"-(\d{8,}|[0-9a-f]{8})$")
"""What SageMaker appends to a configuration's name: a Unix time or part of a hash."""
_SHOWN_DETAILS = 4
_File = tuple[str, float, Callable[[], bytes]]
"""A name, when it was written (Unix seconds), and what reads it."""


def aws_outcomes(source: str | Path, job: str) -> list[RuleOutcome]:
    """Return an outcome for each verdict below `source`: a job's rule-output, a folder or s3:// prefix, or part of it.

    A file that cannot be read is an outcome with the status Error; without any file the list is empty.

    Raises:
        UserFacingError: S3 cannot be read.
    """
    found: dict[str, RuleOutcome] = {}
    for path, changed, read in sorted(_files(source), key=lambda file: file[1]):
        rule = _rule_name(path)
        outcome = _outcome(rule, job, changed, read)
        if outcome is not None:
            found[rule] = outcome  # of a rule that ran twice the later one
    return list(found.values())


def with_verdicts(shown: RuleOutcome, written: RuleOutcome) -> RuleOutcome:
    """Return a rule's outcome by SageMaker's API, with the numbers that its rule job wrote beside it."""
    details = shown.details if written.status is RuleStatus.ERROR else f"{shown.details} {written.details}"
    return replace(
        shown,
        details=details,
        parameters=shown.parameters or written.parameters,
        triggered=written.triggered,
        evaluated=written.evaluated,
    )


def _files(source: str | Path) -> Iterator[tuple[PurePosixPath, float, Callable[[], bytes]]]:
    """Yield the verdicts there may be: the path from rule-output on, when it was written, and what reads it."""
    root = str(source).replace("\\", "/").rstrip("/")
    for name, changed, read in _in_s3(root) if root.startswith("s3://") else _in_folder(root):
        parts = f"{root}/{name}".split("/")
        below = parts[parts.index(FOLDER) + 1 :] if FOLDER in parts else parts[-2:]
        yield PurePosixPath(*below), changed, read


def _in_folder(root: str) -> Iterator[_File]:
    folder = Path(root).expanduser()
    for file in folder.rglob("*.json") if folder.is_dir() else ():
        try:
            yield file.relative_to(folder).as_posix(), file.stat().st_mtime, file.read_bytes
        except OSError:
            continue  # it went away since it was listed


def _in_s3(root: str) -> Iterator[_File]:
    from core.debugger.s3_storage import S3Storage

    storage = S3Storage(root)
    for name, changed in storage.files(".json").items():
        yield name, changed, partial(storage.read, name)


def _rule_name(path: PurePosixPath) -> str:
    """Return the file's name in a profiler's reports; else the configuration's, which is the folder's."""
    if path.parent.name == REPORTS or len(path.parts) < 2:
        return path.stem
    return rule_name(path.parts[0])


def rule_name(configuration: str) -> str:
    """Return the rule that a configuration is of, without what was appended to make its name a new one."""
    return _MADE_UP.sub("", configuration)


def _outcome(rule: str, job: str, changed: float, read: Callable[[], bytes]) -> RuleOutcome | None:
    """Return the outcome; None for JSON that is not a verdict, as some rules write some of their own."""
    try:
        content = parse_json(read().decode("utf-8"))
    except (OSError, ValueError) as error:
        said = tr("What AWS wrote of it could not be read: {kind}.").format(kind=type(error).__name__)
        advice = tr("Fetch rule-output again; the training job's page in SageMaker has the status as well.")
        return RuleOutcome(job, rule + SUFFIX, RuleStatus.ERROR, changed, details=said, advice=advice)
    if not isinstance(content, Mapping) or not any(key in content for key in _COUNTS):
        return None
    triggered, violations, datapoints = (_count(content.get(key)) for key in _COUNTS)
    status = RuleStatus.ISSUES_FOUND if triggered else RuleStatus.NO_ISSUES_FOUND
    meaning, advice = words_of(rule)
    return RuleOutcome(
        job,
        rule + SUFFIX,
        status,
        changed,
        meaning=meaning,
        advice=advice,
        details=_sentence(triggered, violations, datapoints, content.get("Details")),
        parameters=_parameters(content.get("RuleParameters")),
        triggered=triggered,
        evaluated=datapoints,
    )


def words_of(rule: str) -> tuple[str, str]:
    """Return what a rule is about and what to do, in our words; generic ones for a rule that we do not have."""
    if rule.startswith("ProfilerReport"):
        return tr("AWS's report says that the machine's time could be used better."), tr("Open AWS's report.")
    for known in PROFILER_RULES:
        if known.name.lower() == rule.lower():
            return known.description, known.recommendation
    ours = RULES.get(ALIASES.get(rule, rule))
    if ours is not None:
        return ours.meaning, ours.advice
    return tr("AWS's rule job found its condition met."), tr("See the rule's own files in rule-output for what it saw.")


def _sentence(triggered: int, violations: int, datapoints: int, details: Any) -> str:
    looked = f"{datapoints:,} datapoint{'' if datapoints == 1 else 's'}"
    if not datapoints and not triggered:
        return tr("AWS looked at no datapoints.")
    times = "once" if triggered == 1 else f"{triggered:,} times"
    said = (
        tr("AWS triggered it {times} in {looked}").format(times=times, looked=looked)
        if triggered
        else tr("AWS did not trigger it in {looked}").format(looked=looked)
    )
    if violations and violations != triggered:
        said += f", with {violations:,} violation{'' if violations == 1 else 's'}"
    numbers = [text for _, text in zip(range(_SHOWN_DETAILS), _numbers(details), strict=False)] if triggered else []
    return f"{said}: {', '.join(numbers)}." if numbers else f"{said}."


def _numbers(details: Any, above: str = "") -> Iterator[str]:
    """Yield the single numbers of AWS's details, with the keys above them: "algo-1 gpu0 p95 31"."""
    if isinstance(details, Mapping):
        for key, value in details.items():
            yield from _numbers(value, f"{above} {key}".strip())
    elif isinstance(details, int | float) and not isinstance(details, bool) and above and math.isfinite(details):
        yield f"{above} {details:.4g}"


def _count(value: Any) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _parameters(given: Any) -> dict[str, str]:
    """Return the values that AWS writes as lines of name:value; smdebug's own base leaves a mapping or nothing."""
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in given.items()}
    pairs = (line.partition(":") for line in re.split(r"[\n,;]", given)) if isinstance(given, str) else ()
    return {name.strip(): value.strip() for name, colon, value in pairs if colon and name.strip()}
