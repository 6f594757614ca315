"""How many issues the rules have found in each job, its trials together: asked for once, then heard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from PySide6.QtCore import QObject, Signal

from core.jobs.records import Event, RuleOutcome
from core.jobs.status import RuleStatus
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed

_TRIAL = re.compile(r"-\d{3,}-[0-9a-f]{8}$")


class JobIssues(QObject):
    """What rules said last, by job and then by (training job, rule).

    Signals:
        counted(str, int): so many issues are known of this job.
    """

    counted = Signal(str, int)

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed, parent: QObject) -> None:
        super().__init__(parent)
        self._workbench, self._bridge, self._feed = workbench, bridge, feed
        self._statuses: dict[str, dict[tuple[str, str], RuleStatus]] = {}
        feed.events.connect(self._on_events)

    def ask(self) -> None:
        """Ask what rules found before the window was there, in all jobs."""
        store = self._workbench.store

        def work(on_progress: OnProgress, cancel: CancelToken) -> list[tuple[str, str]]:
            return store.issues()

        self._bridge.run(work, self._on_found, self._feed.trouble.emit)

    def replace(self, job: str, statuses: Mapping[tuple[str, str], RuleStatus]) -> None:
        """Take all that is known of a job in place of what was heard."""
        self._statuses[job] = dict(statuses)
        self._count([job])

    def forget(self, job: str) -> None:
        """Take it that nothing is known of a job."""
        self._statuses.pop(job, None)
        self._count([job])

    def _on_found(self, issues: list[tuple[str, str]]) -> None:
        for training, rule in issues:  # what was heard meanwhile is newer
            self._of(training).setdefault((training, rule), RuleStatus.ISSUES_FOUND)
        self._count(training for training, _ in issues)

    def _on_events(self, events: tuple[Event, ...]) -> None:
        outcomes = [event for event in events if isinstance(event, RuleOutcome)]
        for outcome in outcomes:
            self._of(outcome.job)[outcome.job, outcome.rule] = outcome.status
        self._count(outcome.job for outcome in outcomes)

    def _of(self, training: str) -> dict[tuple[str, str], RuleStatus]:
        return self._statuses.setdefault(_job_of(training), {})

    def _count(self, trainings: Iterable[str]) -> None:
        for job in dict.fromkeys(map(_job_of, trainings)):
            statuses = self._statuses.get(job, {}).values()
            self.counted.emit(job, sum(status is RuleStatus.ISSUES_FOUND for status in statuses))


def _job_of(training: str) -> str:
    """Return the search of a trial; any other training job is one by itself."""
    return _TRIAL.sub("", training)
