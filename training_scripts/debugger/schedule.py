"""When the hook saves: which steps, at what cost of time, within how many bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .job_settings import COLLECTIONS, Settings

CERTAIN_STEPS, FIRST_STEPS = 2, 5
AUTOMATIC_INTERVAL = 5
FIRST_BY_NUMBER, SPREAD, LOSS_SPREAD = 3, 3, 20
RECHECKED = 16
"""Steps after which is asked again whether a step that is due can be paid for."""
FREE_SECONDS, FREE_SECONDS_OF_MANY = 0.03, 0.005
FREE_EVALUATIONS, FREE_EPOCHS = 30, 100
CERTAIN_EPOCHS = 8
_SCALAR_RESERVE = 0.05
_KEPT = 0.75
_NOTHING: frozenset[str] = frozenset()


class Schedule:
    """Decides what a step saves.

    With a set interval every such step saves. Without one, the first 2 steps do, then the next 3 (there a bad start
    shows) and every 5th, as long as all saving together has cost at most 2 % of the job's time so far, plus 30 ms that
    a short job may spend. The first 2 steps, the first 30 evaluations and the first 100 epochs are saved in any case
    and do not count: each of the latter is one small step that rules wait for. So is, where saving costs about a
    millisecond (`certain_epochs`), the first step after each eighth of the epochs: a job of a second shows all its
    course then, however busy the machine was; and as a search has a thousand of those, the time that each may spend
    besides is 5 ms.

    By the number of a step (`Settings.by_number`) it is the first 3, then every 5th, later at intervals of a third of
    the step's number, and the loss alone at intervals of a 20th, so that saving costs the less the longer the training
    is; what a share of the time does not allow at a step waits for the next one.

    Each time a quarter of what is left of the byte budget is used up the interval doubles, so that the budget lasts
    for a long job too; the last 5 % are kept for losses and epochs, and beyond the budget nothing is written.
    """

    def __init__(self, settings: Settings, certain_epochs: int = 0) -> None:
        """Begin with nothing saved; `certain_epochs`: how many epochs there will be, if each eighth must be seen."""
        self._fixed = settings.save_interval
        self._share, self._by_number = settings.time_share, settings.by_number
        self._intervals = dict(settings.save_intervals)
        self._budget = settings.tensor_budget_mb * 1e6
        self._written = 0.0
        self._doublings = 0
        self._next = self._next_loss = 0
        self._spent = 0.0
        self._depth = 0
        self._started = time.perf_counter()
        self._alarms = 3
        self._evaluations = self._epochs = 0
        self._counting = True
        self._epochs_apart = -(-certain_epochs // CERTAIN_EPOCHS)
        self._certain = False
        self._free = FREE_SECONDS_OF_MANY if certain_epochs else FREE_SECONDS

    @property
    def interval(self) -> int:
        """Return training steps between two saved ones, now."""
        return (self._fixed or AUTOMATIC_INTERVAL) << self._doublings

    def due(self, step: int) -> frozenset[str]:
        """Return the collections to be saved at a training step; a step that saves anything saves its loss."""
        by_number = self._by_number and self._fixed is None and not self._intervals
        if (by_number and step < self._next and step < self._next_loss) or not self.has_room():
            return _NOTHING
        chosen = {name for name in COLLECTIONS if self._intervals.get(name) and step % self._intervals[name] == 0}
        if self._is_step(step):
            chosen |= {name for name in COLLECTIONS if name not in self._intervals}
        elif self._by_number and self._fixed is None and step >= self._next_loss and self._affordable():
            chosen |= {"losses"} - set(self._intervals)
        if chosen:
            self._next_loss = step + max(self.interval, step // LOSS_SPREAD)
        if chosen and self._written > (1 - _SCALAR_RESERVE) * self._budget:
            return frozenset({"losses"})
        return frozenset(chosen | {"losses"}) if chosen else frozenset()

    def next(self, step: int) -> int:
        """Return the first step, from one on, that may save anything; what cannot be paid for is asked again later."""
        if not self._by_number or self._fixed is not None or self._intervals:
            return step
        due = max(step, min(self._next, self._next_loss))
        return due if due > step or (self.has_room() and self._affordable()) else step + RECHECKED

    def due_at_once(self) -> frozenset[str]:
        """Return what a step saves at which the loss is not a number; a few times, for it will stay so."""
        self._alarms -= 1
        return frozenset({"losses"}) if self._alarms >= 0 and self.has_room() else frozenset()

    def may_save_evaluation(self) -> bool:
        """Whether an evaluation that begins now may be saved."""
        self._evaluations += 1
        return self._may_save(self._evaluations <= FREE_EVALUATIONS)

    def may_save_epoch(self) -> bool:
        """Whether the means of the epoch that has ended may be saved."""
        self._epochs += 1
        self._certain |= bool(self._epochs_apart) and self._epochs % self._epochs_apart == 0
        return self._may_save(self._epochs <= FREE_EPOCHS)

    def _may_save(self, free: bool) -> bool:
        self._counting = not free
        return self.has_room() and (free or self._fixed is not None or self._affordable())

    def has_room(self) -> bool:
        """Whether anything may be written at all."""
        return self._written < self._budget

    def count(self, size: int) -> None:
        """Count bytes that were written."""
        self._written += size
        while self._doublings < 20 and self._written > self._budget * (1 - _KEPT ** (self._doublings + 1)):
            self._doublings += 1

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Count what happens inside as the cost of saving; may be nested."""
        self._depth += 1
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._counting:
                self._spent += time.perf_counter() - begun

    def _is_step(self, step: int) -> bool:
        if self._fixed is not None:
            return step % self.interval == 0
        certain, self._certain = self._certain or step < CERTAIN_STEPS, False
        self._counting = not certain
        if not certain and (step < self._next or not self._affordable()):
            return False
        interval = max(self.interval, step // SPREAD) if self._by_number else self.interval
        first = FIRST_BY_NUMBER if self._by_number else FIRST_STEPS
        self._next = step + 1 if step + 1 < first else max(step + interval, first)
        return True

    def _affordable(self) -> bool:
        return self._share is None or self._spent <= self._free + self._share * (time.perf_counter() - self._started)
