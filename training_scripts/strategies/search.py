"""The search for hyperparameters: what to try next, by SageMaker's four strategies.

A search is asked for hyperparameters, and hears what came of them. Bayesian is Optuna's Gaussian process or TPE; see
`_sampler`. What it asks for follows from the plan, the trial's number and the results of the trials that this number
may know of (`Search.needed`), whatever the order in which results came, how many trials ran at once, and whether the
search was broken off and resumed in between.
"""

from __future__ import annotations

import logging
import math
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from training_scripts.stopping import Limits
from training_scripts.strategies.dimensions import encoded, grid_point, grid_size
from training_scripts.strategies.plan import SearchPlan
from training_scripts.strategies.stop_rules import Curve, Halving, MedianRule, StopRule

if TYPE_CHECKING:
    import optuna

LEAST_LAG = 3
"""A trial need not know of this many before it, nor of a third of all: so many more may run beside it."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial that is over: its searched hyperparameters, its final objective (None: it failed), and its curve.

    The curve holds (epoch, objective) pairs; `number` is the trial's place in the search, None for a warm start.
    """

    hyperparameters: Mapping[str, str]
    objective: float | None
    curve: Curve = ()
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The next trial: its number, its searched hyperparameters, and where it is to be stopped."""

    number: int
    hyperparameters: dict[str, str]
    limits: Limits


class _Strategy(Protocol):
    """What to try. It is shown trials in the order of their numbers, first what they try, later what came of it."""

    def propose(self, number: int) -> dict[str, str] | None:
        """Return what the trial `number` is to try; None where nothing is left."""

    def begin(self, number: int, hyperparameters: Mapping[str, str]) -> None:
        """Note what a trial tries whose result is not known yet."""

    def learn(self, number: int, objective: float | None) -> None:
        """Note what came of a trial that began; None: no usable objective."""


class Search:
    """One search. Not thread-safe. No method raises for what a strategy cannot do: it falls back and logs.

    Args:
        plan: what is searched, and how.
        done: trials that an earlier run of the same search has finished.
        warm: trials of other searches to learn from.
    """

    def __init__(self, plan: SearchPlan, done: Sequence[Observation] = (), warm: Sequence[Observation] = ()) -> None:
        self._plan = plan
        self._strategy: _Strategy = _Grid(plan) if plan.tries_all else _Optuna(plan, warm)
        self._rule = _stop_rule(plan)
        self._results = {item.number: item for item in done if item.number is not None}
        self._asked: dict[int, dict[str, str]] = {n: dict(item.hyperparameters) for n, item in self._results.items()}
        self._begun = self._learnt = self._next = 0
        self._skip_done()

    def needed(self, number: int) -> int:
        """Return how many of the first trials must be over before this one is asked for."""
        learns = self._plan.learns
        if not learns and self._rule is None:
            return 0
        sliding = max(0, number - max(LEAST_LAG, number // 3))
        startup = self._plan.startup_trials
        if learns and number >= startup:
            return max(sliding, startup)
        return 0 if self._rule is None else sliding

    @property
    def is_ready(self) -> bool:
        """Whether all results are there that the next trial must know."""
        return all(number in self._results for number in range(self._learnt, self.needed(self._next)))

    def ask(self) -> Asked | None:
        """Return the next trial, once the search `is_ready` for it; None when there is nothing left to try."""
        number = self._next
        self._show(number)
        hyperparameters = self._strategy.propose(number)
        if hyperparameters is None:
            return None
        self._asked[number] = hyperparameters
        self._next += 1
        self._skip_done()
        return Asked(number, hyperparameters, {} if self._rule is None else self._rule.limits(number))

    def tell(self, number: int, objective: float | None, curve: Curve = ()) -> None:
        """Say how the trial `number` ended, and its whole curve; None: without a usable objective."""
        usable = objective if objective is not None and math.isfinite(objective) else None
        self._results[number] = Observation(self._asked[number], usable, tuple(curve), number)

    def _show(self, number: int) -> None:
        """Let the strategy know of every trial before this one, and of the results that are needed."""
        for known in range(self._learnt, self.needed(number)):
            result = self._results[known]
            self._begin_up_to(known + 1)
            self._strategy.learn(known, result.objective)
            if self._rule is not None:
                self._rule.learn(known, result.curve)
            self._learnt = known + 1
        self._begin_up_to(number)

    def _begin_up_to(self, number: int) -> None:
        for known in range(self._begun, number):
            self._strategy.begin(known, self._asked[known])
        self._begun = max(self._begun, number)

    def _skip_done(self) -> None:
        while self._next in self._results:
            self._next += 1


def _stop_rule(plan: SearchPlan) -> StopRule | None:
    if plan.ends_poor_trials:
        return Halving(plan.seed, plan.maximize, plan.longest_training)
    return MedianRule() if plan.early_stopping else None


class _Grid:
    """Every combination once, in an order shuffled by the seed so that a part of the grid covers all of it."""

    def __init__(self, plan: SearchPlan) -> None:
        self._dimensions, total = plan.dimensions, grid_size(plan.dimensions) or 0
        # Drawn, not shuffled: a grid may have more points than fit in memory.
        draw, places = random.Random(plan.seed), dict[int, None]()
        while len(places) < min(total, plan.max_jobs):
            places[draw.randrange(total)] = None
        self._order = list(places)

    def propose(self, number: int) -> dict[str, str] | None:
        return grid_point(self._dimensions, self._order[number]) if number < len(self._order) else None

    def begin(self, number: int, hyperparameters: Mapping[str, str]) -> None:
        pass

    def learn(self, number: int, objective: float | None) -> None:
        pass


class _Optuna:
    """Optuna's samplers, on a study in memory. Each trial has a sampler of its own, whose seed is its number's."""

    def __init__(self, plan: SearchPlan, warm: Sequence[Observation]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self._plan, self._optuna = plan, optuna
        self._distributions = {item.name: item.distribution() for item in plan.dimensions}
        self._running: dict[int, optuna.Trial] = {}
        with _quiet():
            self._study = optuna.create_study(
                direction="maximize" if plan.maximize else "minimize", sampler=_sampler(plan, 0)
            )
            for item in warm:
                self._add(item)

    def propose(self, number: int) -> dict[str, str]:
        with _quiet():
            self._study.sampler = _sampler(self._plan, number)
            try:
                trial = self._study.ask(self._distributions)
            except Exception:  # whatever a sampler stumbles over, the search continues
                _logger.exception("the sampler failed; trial %d is drawn at random", number)
                self._study.sampler = self._optuna.samplers.RandomSampler(seed=_seed(self._plan, number))
                trial = self._study.ask(self._distributions)
        self._running[number] = trial
        return {item.name: item.decode(trial.params[item.name]) for item in self._plan.dimensions}

    def begin(self, number: int, hyperparameters: Mapping[str, str]) -> None:
        values = encoded(self._plan.dimensions, hyperparameters)
        if number not in self._running and values is not None:  # drawn before the search was broken off
            with _quiet():
                self._study.enqueue_trial(values)
                self._running[number] = self._study.ask(self._distributions)

    def learn(self, number: int, objective: float | None) -> None:
        trial = self._running.pop(number, None)
        if trial is None:
            return
        state = self._optuna.trial.TrialState
        with _quiet():
            try:
                self._study.tell(trial, objective, state.FAIL if objective is None else None)
            except Exception:
                _logger.exception("the search could not learn from trial %d", number)

    def _add(self, item: Observation) -> None:
        values = encoded(self._plan.dimensions, item.hyperparameters)
        if values is None:
            return
        state = self._optuna.trial.TrialState
        usable = item.objective is not None and math.isfinite(item.objective)
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=values,
                distributions=self._distributions,
                value=item.objective if usable else None,
                state=state.COMPLETE if usable else state.FAIL,
            )
        )


def _seed(plan: SearchPlan, number: int) -> int:
    return (plan.seed * 1_000_003 + 7919 * number) % 2**32


def _sampler(plan: SearchPlan, number: int) -> optuna.samplers.BaseSampler:
    """Return what a strategy draws the trial `number` with.

    Bayesian is a Gaussian process where a trial takes minutes: over 20 trials its best is far better than TPE's (mean
    regret 0.001 against 0.02 on a smooth function of four hyperparameters), but each choice costs it up to a second.
    Trials over frozen features take less than that, so there it is TPE, which chooses in milliseconds.
    """
    from optuna.samplers import GPSampler, RandomSampler, TPESampler

    seed = _seed(plan, number)
    if not plan.learns:
        return RandomSampler(seed=seed)
    startup = plan.startup_trials
    if not plan.quick:
        import torch

        torch.set_num_threads(1)  # the trials have the other cores
        return GPSampler(seed=seed, n_startup_trials=startup)
    # Few trials say little about how hyperparameters act together: up to 30, each is modelled for itself.
    return TPESampler(seed=seed, multivariate=plan.max_jobs > 30, n_startup_trials=startup, constant_liar=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's words about experimental features; they are chosen knowingly."""
    with warnings.catch_warnings(action="ignore"):
        yield
