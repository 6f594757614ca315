"""One training job as it goes: its log lines become metric values, rule outcomes and progress in the store."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from core.engines.local.runs import split_rule_line
from core.engines.sagemaker.connection.failures import explain_reason
from core.engines.sagemaker.tracking.logs import Line, LogTail
from core.errors import UserFacingError
from core.jobs.contract import Scraper
from core.jobs.records import MetricEvent, RuleOutcome
from core.jobs.scraping import notice_in, without_epochs
from core.jobs.specs import TrainingSpec
from core.jobs.status import JobStatus
from core.jobs.tracebacks import traceback_of
from core.store import JobChanges, Store

_FEATURES = re.compile(r"features (\d+)/(\d+)")
_SCRIPT_FAILED = re.compile(r"^The job failed: (.+)$")
_ALGORITHM = re.compile(r"^AlgorithmError: (.*?)(?:,? exit code: \d+)?$", re.DOTALL)
_SAYS_NOTHING = re.compile(r"ExecuteUserScriptError|exit status \d+\.?(?:,|$)|^AlgorithmError: ?,? ?exit code")
_LAST_LINES = 400


class LineReader:
    """Records what the lines of a training job say, under the name `job`."""

    def __init__(self, spec: TrainingSpec, store: Store, job: str) -> None:
        self.spec, self._store, self._job = spec, store, job
        self._scraper = Scraper(spec.metrics, partial(store.add_notice, job))
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._features: dict[str, tuple[int, int]] = {}
        self.objective: float | None = None

    def take(self, lines: Sequence[Line]) -> None:
        """Record what these lines say."""
        events: list[MetricEvent | RuleOutcome] = []
        changes: JobChanges = {}
        for moment, line, machine in lines:
            self._last.append(line)
            line, outcomes = split_rule_line(line)
            events += outcomes
            if sentence := notice_in(line):
                self._store.add_notice(self._job, sentence)
            scraped = self._scraper.scrape(line)
            if scraped.begins is not None:
                self._store.remove_metrics(self._job, scraped.begins)
                events = without_epochs(events, scraped.begins)
                changes["weakest"] = ""
            if scraped.weakest is not None:
                changes["weakest"] = scraped.weakest
            for metric, value in scraped.values.items():
                events.append(MetricEvent(self._job, metric, value, moment, scraped.epoch, scraped.step))
                if metric == self.spec.objective.metric:
                    self.objective = changes["objective"] = value if math.isfinite(value) else None
            if scraped.epoch and scraped.epochs and scraped.values:
                changes["progress"] = min(1.0, scraped.epoch / scraped.epochs)
            elif found := _FEATURES.match(line):
                self._features[machine] = int(found[1]), int(found[2])
                total = sum(of for _, of in self._features.values())
                changes["progress"] = min(1.0, sum(done for done, _ in self._features.values()) / max(1, total))
        if events or changes:
            self._store.update_job(self._job, events, **changes)

    def forget_since(self, moment: float) -> None:
        """Remove what lines from a moment on have said of metrics: they come again."""
        self._store.remove_metrics_since(self._job, moment)

    def reason(self, description: Mapping[str, Any]) -> str:
        """Return why the job failed: the user's own error first, then what AWS says and means."""
        raw = str(description.get("FailureReason", "")).strip()
        found = _ALGORITHM.match(raw)
        if found is None:
            return explain_reason(raw)[:1024]
        said = [match[1] for match in map(_SCRIPT_FAILED.match, self._last) if match]
        trace = traceback_of(list(self._last))
        # The container's own words say no more than that the script ended; its exception is in the log.
        empty = _SAYS_NOTHING.search(raw) is not None
        own = said[-1] if said else trace[-1] if trace and empty else found[1].strip()
        return explain_reason(own or raw)[:1024]


class Follower(LineReader):
    """Follows the job `spec.name`. What it reads is recorded under `record_as`, the job itself by default."""

    def __init__(self, spec: TrainingSpec, store: Store, tail: LogTail, record_as: str = "") -> None:
        super().__init__(spec, store, record_as or spec.name)
        self._tail = tail
        self.idle_since: float | None = None

    def read(self, look: bool = False) -> bool:
        """Record what the log says since the last call; False when it says nothing new."""
        lines = self._tail.new_lines(look)
        if not lines:
            self.idle_since = self.idle_since or time.monotonic()
            return False
        self.idle_since = None
        try:
            if self._tail.repeats:
                self.forget_since(lines[0][0])
            self.take(lines)
        except UserFacingError:  # the store cannot take them now
            self._tail.go_back()
            raise
        self._tail.taken()
        return True


def status_of(word: str) -> JobStatus:
    """Return AWS's status; one that Sagehound does not know counts as in progress."""
    return JobStatus(word) if word in {str(status) for status in JobStatus} else JobStatus.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that has ended on AWS: how AWS describes it, and when that was on this computer's monotonic clock."""

    description: Mapping[str, Any]
    moment: float

    @classmethod
    def now(cls, description: Mapping[str, Any]) -> Ended:
        """Return it by a description that has just come: AWS's clock says how old its end is, for ours may be wrong."""
        said = description.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            asked = parsedate_to_datetime(said).timestamp()
        except ValueError:
            asked = time.time()
        age = max(0.0, asked - seconds_of(description.get("TrainingEndTime")))
        return cls(description, time.monotonic() - age)

    @property
    def age(self) -> float:
        """Return seconds since its end."""
        return time.monotonic() - self.moment


def seconds_of(moment: Any) -> float:
    """Return Unix seconds of a time as boto3 hands it out; now, where there is none."""
    return float(moment.timestamp()) if moment is not None else time.time()
