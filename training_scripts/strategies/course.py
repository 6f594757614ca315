"""The course of a search: whether another trial is wanted, what came of those that ended, and how the whole ended.

What runs the trials, side by side or one after the other, asks here. Not thread-safe.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training_scripts.strategies.convergence import Convergence
from training_scripts.strategies.plan import SearchPlan
from training_scripts.strategies.search import Asked, Observation, Search
from training_scripts.strategies.stop_rules import Curve

FAILURES_FROM_START = 5
"""So many failed trials with no good one among them end the tuning job, as on SageMaker."""

TIME_OVER = "MaxRuntimeExceeded"
"""The secondary status of a search that its longest run time ended, and of the trials that ran then."""

COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"
"""How a trial or a search ends, in SageMaker's words."""

Verdict = tuple[str, str, str]
"""Final status, secondary status and reason."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """A trial that has ended: its place in the search, the searched hyperparameters, and what came of it."""

    number: int
    hyperparameters: Mapping[str, str]
    status: str
    objective: float | None
    reason: str = ""
    curve: Curve = ()

    @property
    def observation(self) -> Observation:
        """Return what the search learns of it; the number of a trial that failed means nothing."""
        objective = None if self.status == FAILED else self.objective
        return Observation(self.hyperparameters, objective, self.curve, self.number)


class Course:
    """One search from its beginning, or from where it was broken off, to its end.

    Args:
        plan: what is searched, how, and until when.
        done: trials that ended before.
        warm: trials of other searches to learn from.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        plan: SearchPlan,
        done: Sequence[TrialEnd] = (),
        warm: Sequence[Observation] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._clock = plan, clock
        self._search = Search(plan, [end.observation for end in done], warm)
        self._convergence = Convergence(plan) if plan.until_converged else None
        self._deadline = None if plan.max_search_s is None else clock() + plan.max_search_s
        self._started, self._succeeded, self._failed = len(done), 0, 0
        self._best: float | None = None
        self._since_best = 0
        self._first_reason = ""
        self._exhausted = self._cut = False
        for end in done:
            self._count(end)

    @property
    def wants_more(self) -> bool:
        """Whether another trial is to be started, as soon as there is room and `is_ready`."""
        plan = self._plan
        hopeless = self._failed >= FAILURES_FROM_START and not self._succeeded
        no_better = plan.patience is not None and self._since_best >= plan.patience
        enough = self.target_met or self.time_is_over or self._started >= plan.max_jobs
        return not (self._exhausted or hopeless or no_better or enough or self._has_converged())

    @property
    def is_ready(self) -> bool:
        """Whether all results are there that the next trial must know."""
        return self._search.is_ready

    def ask(self) -> Asked | None:
        """Return the next trial; None when there is nothing left to try."""
        asked = self._search.ask()
        if asked is None:
            self._exhausted = True
        else:
            self._started += 1
        return asked

    def tell(self, end: TrialEnd) -> None:
        """Take in how a trial ended."""
        found = end.observation
        self._search.tell(end.number, found.objective, found.curve)
        self._count(end)

    @property
    def target_met(self) -> bool:
        """Whether the best trial is as good as asked for: those that run may be stopped."""
        target, best = self._plan.target, self._best
        if target is None or best is None:
            return False
        return best >= target if self._plan.maximize else best <= target

    @property
    def time_is_over(self) -> bool:
        """Whether the longest time of the search is over."""
        return self._deadline is not None and self._clock() >= self._deadline

    def cut(self) -> None:
        """Note that trials were stopped because the time is over."""
        self._cut = True

    def verdict(self) -> Verdict:
        """Return how the search ended, when nothing runs any more."""
        if self._failed and not self._succeeded:
            sentence = self._first_reason.partition("\n\n")[0]  # its traceback is in the trial's own reason
            return FAILED, "Failed", f"All {self._failed} trials failed, the first because: {sentence}"
        if self._cut or (self.time_is_over and self._started < self._plan.max_jobs and not self._exhausted):
            return COMPLETED, TIME_OVER, ""
        return COMPLETED, "Completed", ""

    def _count(self, end: TrialEnd) -> None:
        if end.status == COMPLETED and self._convergence is not None:
            self._convergence.add(end.hyperparameters, end.objective)
        if end.status == STOPPED and end.objective is None:
            return
        if end.status == FAILED or end.objective is None:
            self._failed += 1
            self._first_reason = self._first_reason or end.reason or "Its objective was no finite number: it diverged."
            return
        self._succeeded += 1
        better = self._best is None or (
            end.objective > self._best if self._plan.maximize else end.objective < self._best
        )
        self._best, self._since_best = (end.objective, 0) if better else (self._best, self._since_best + 1)

    def _has_converged(self) -> bool:
        if not self._exhausted and self._convergence is not None and self._convergence.reached():
            self._exhausted = True
            _logger.info("the search has converged")
        return self._exhausted
