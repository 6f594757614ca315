"""The search for hyperparameters: what to try next, by SageMaker's four strategies.

A search is asked for hyperparameters, told what came of them, and shown the objective after every epoch so that it can
give a trial up. Bayesian is Optuna's Gaussian process or TPE; see `_sampler`. With the same seed and one trial at a
time, two searches that see the same results ask for the same trials.
"""

from __future__ import annotations

import logging
import math
import random
import statistics
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import SpecError
from core.jobs.specs import Strategy, TuningSpec
from core.tuning.encoding import decode, distribution, encode, grid_point
from core.tuning.modes import choices, over_features
from core.tuning.ranges import CategoricalRange, combinations

if TYPE_CHECKING:
    import optuna

MIN_CURVES = 5
"""Early stopping compares with at least this many earlier trials; the median of fewer says little."""

Curve = Sequence[tuple[int, float]]
"""The objective by epoch, in the order it came."""

_RESOURCE_NAMES = ("num_epochs", "epochs", "n_epochs", "numepochs")
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


class Search(ABC):
    """One search. Not thread-safe. No method raises for what a strategy cannot do: it falls back and logs."""

    @abstractmethod
    def ask(self) -> tuple[int, dict[str, str]] | None:
        """The number and the searched hyperparameters of the next trial; None when there is nothing left to try."""

    @abstractmethod
    def tell(self, number: int, objective: float | None, curve: Curve = ()) -> None:
        """Say how the trial `number` ended, and its whole curve; None: without a usable objective."""

    @abstractmethod
    def report(self, number: int, epoch: int, value: float) -> bool:
        """Say how the trial `number` does after an epoch; returns whether it should be stopped."""


def open_search(spec: TuningSpec, done: Sequence[Observation] = (), warm: Sequence[Observation] = ()) -> Search:
    """Return the search that a spec asks for, knowing the trials it has `done` already and those of its `warm` starts.

    Raises:
        SpecError: the strategy cannot search these ranges.
    """
    check_strategy(spec)
    inner: Search = _Grid(spec, done) if spec.strategy is Strategy.GRID else _Optuna(spec, done, warm)
    return _EarlyStopping(inner, spec, done) if spec.early_stopping else inner


def check_strategy(spec: TuningSpec) -> None:
    """Raise `SpecError` where the spec's strategy cannot search its ranges."""
    if spec.strategy is Strategy.GRID and combinations(spec.ranges) is None:
        name = next(item.name for item in spec.ranges if combinations([item]) is None)
        raise SpecError(
            f"Grid cannot search {name}.",
            "Its range is continuous and has no countable values.",
            "Make it Categorical or Integer, or take another strategy.",
            field=name,
        )
    if spec.strategy is Strategy.HYPERBAND and spec.early_stopping:
        raise SpecError(
            "Hyperband and early stopping exclude each other.",
            "Hyperband stops trials by a rule of its own.",
            "Turn early stopping off.",
            field="early_stopping",
        )


def worse_than_median(value: float, epoch: int, earlier: Sequence[Curve], maximize: bool) -> bool:
    """SageMaker's rule of early stopping.

    Whether an objective `value` after `epoch` is worse than the median, over the earlier trials that got that far, of
    the average of their objective up to the same epoch. NaN is worse than everything. (Developer guide, "Stop training
    jobs early".)
    """
    averages = []
    for curve in earlier:
        values = [v for e, v in curve if e <= epoch and math.isfinite(v)]
        if values and curve[-1][0] >= epoch:
            averages.append(statistics.fmean(values))
    if len(averages) < MIN_CURVES:
        return False
    if math.isnan(value):
        return True
    median = statistics.median(averages)
    return value < median if maximize else value > median


class _EarlyStopping(Search):
    """Another search, with trials stopped early."""

    def __init__(self, inner: Search, spec: TuningSpec, done: Sequence[Observation]) -> None:
        self._inner, self._maximize = inner, spec.training.objective.maximize
        self._earlier = [list(item.curve) for item in done if item.curve]
        self._running: dict[int, list[tuple[int, float]]] = {}

    def ask(self) -> tuple[int, dict[str, str]] | None:
        return self._inner.ask()

    def tell(self, number: int, objective: float | None, curve: Curve = ()) -> None:
        # A trial of a fraction of a second ends before all of its epochs were reported.
        if whole := list(curve) or self._running.get(number, []):
            self._earlier.append(whole)
        self._running.pop(number, None)
        self._inner.tell(number, objective, curve)

    def report(self, number: int, epoch: int, value: float) -> bool:
        self._running.setdefault(number, []).append((epoch, value))
        stop = self._inner.report(number, epoch, value)
        return stop or worse_than_median(value, epoch, self._earlier, self._maximize)


class _Grid(Search):
    """Every combination once, in an order shuffled by the seed so that a part of the grid covers all of it."""

    def __init__(self, spec: TuningSpec, done: Sequence[Observation]) -> None:
        self._ranges, total = spec.ranges, combinations(spec.ranges) or 0
        # Drawn, not shuffled: a grid may have more points than fit in memory.
        draw, places = random.Random(spec.seed), dict[int, None]()
        while len(places) < min(total, spec.max_jobs):
            places[draw.randrange(total)] = None
        self._order = list(places)
        self._done = {tuple(sorted(item.hyperparameters.items())) for item in done}
        self._next = max((item.number + 1 for item in done if item.number is not None), default=0)

    def ask(self) -> tuple[int, dict[str, str]] | None:
        while self._order:
            point = grid_point(self._ranges, self._order.pop(0))
            if tuple(sorted(point.items())) not in self._done:
                self._next += 1
                return self._next - 1, point
        return None

    def tell(self, number: int, objective: float | None, curve: Curve = ()) -> None:
        """Nothing to learn."""

    def report(self, number: int, epoch: int, value: float) -> bool:
        return False


class _Optuna(Search):
    """Optuna's samplers and its Hyperband pruner, on a study in memory that is rebuilt from what was done."""

    def __init__(self, spec: TuningSpec, done: Sequence[Observation], warm: Sequence[Observation]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self._spec, self._optuna = spec, optuna
        self._distributions = {item.name: distribution(item) for item in spec.ranges}
        self._trials: dict[int, optuna.Trial] = {}
        self._first = max((item.number + 1 for item in done if item.number is not None), default=0)
        with _quiet():
            self._study = optuna.create_study(
                study_name=spec.name,  # Hyperband deals out its brackets by it
                direction="maximize" if spec.training.objective.maximize else "minimize",
                sampler=_sampler(spec, len(done)),
                pruner=self._pruner(),
            )
            for item in (*warm, *done):
                self._learn(item)

    def ask(self) -> tuple[int, dict[str, str]] | None:
        with _quiet():
            try:
                trial = self._study.ask(self._distributions)
            except Exception:  # whatever a sampler stumbles over, the search goes on
                _logger.exception("the sampler failed; the next trials are drawn at random")
                self._study.sampler = self._optuna.samplers.RandomSampler(seed=self._spec.seed + len(self._trials))
                trial = self._study.ask(self._distributions)
        number = self._first + len(self._trials)
        self._trials[number] = trial
        return number, {item.name: decode(item, trial.params[item.name]) for item in self._spec.ranges}

    def tell(self, number: int, objective: float | None, curve: Curve = ()) -> None:
        state = self._optuna.trial.TrialState
        usable = objective is not None and math.isfinite(objective)
        for epoch, value in curve:  # Hyperband compares with what came only with the end, too
            self.report(number, epoch, value)
        with _quiet():
            try:
                self._study.tell(self._trials[number], objective if usable else None, None if usable else state.FAIL)
            except Exception:
                _logger.exception("the search could not learn from trial %d", number)

    def report(self, number: int, epoch: int, value: float) -> bool:
        if self._spec.strategy is not Strategy.HYPERBAND:
            return False
        trial = self._trials[number]
        with _quiet():
            try:
                trial.report(value, epoch)
                return bool(trial.should_prune())
            except Exception:
                _logger.exception("Hyperband could not judge trial %d", number)
                return False

    def _learn(self, item: Observation) -> None:
        """Add a finished trial to the study, where its values lie within the ranges."""
        values: dict[str, Any] = {}
        for searched in self._spec.ranges:
            value = encode(searched, item.hyperparameters.get(searched.name, ""))
            if value is None:
                return
            values[searched.name] = value
        state = self._optuna.trial.TrialState
        usable = item.objective is not None and math.isfinite(item.objective)
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=values,
                distributions=self._distributions,
                value=item.objective if usable else None,
                state=state.COMPLETE if usable else state.FAIL,
                intermediate_values={epoch: value for epoch, value in item.curve},
            )
        )

    def _pruner(self) -> optuna.pruners.BasePruner:
        if self._spec.strategy is not Strategy.HYPERBAND:
            return self._optuna.pruners.NopPruner()
        epochs = longest_training(self._spec)
        # "auto": Optuna takes the epochs of the first trial that completes.
        return self._optuna.pruners.HyperbandPruner(1, epochs if epochs is not None else "auto")


def longest_training(spec: TuningSpec) -> int | None:
    """The most epochs a trial may take, by the names that SageMaker's Hyperband looks for; None if no one says."""
    for name in _RESOURCE_NAMES:
        for item in spec.ranges:
            if item.name == name:
                ends = item.values if isinstance(item, CategoricalRange) else (item.high,)
                return max(int(float(value)) for value in ends)
        if name in spec.training.hyperparameters:
            return int(float(spec.training.hyperparameters[name]))
    return None


def _sampler(spec: TuningSpec, done: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of a strategy; a resumed search draws by another seed, or it would repeat its first trials.

    Bayesian is a Gaussian process where a trial takes minutes: over 20 trials its best is far better than TPE's (mean
    regret 0.001 against 0.02 on a smooth function of four hyperparameters), but each choice costs it up to a second.
    Trials over frozen features take less than that, so there it is TPE, which chooses in milliseconds.
    """
    from optuna.samplers import GPSampler, RandomSampler, TPESampler

    seed = spec.seed + 7919 * done
    if spec.strategy in (Strategy.RANDOM, Strategy.HYPERBAND):
        return RandomSampler(seed=seed)
    startup = max(3, min(10, spec.max_jobs // 3))
    if any(not over_features(choice) for choice in choices(spec)):
        import torch

        torch.set_num_threads(1)  # the trials have the other cores
        return GPSampler(seed=seed, n_startup_trials=startup)
    # Few trials say little about how hyperparameters act together: up to 30, each is modelled for itself.
    return TPESampler(seed=seed, multivariate=spec.max_jobs > 30, n_startup_trials=startup, constant_liar=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """No word of Optuna's experimental features; they are chosen knowingly."""
    with warnings.catch_warnings(action="ignore"):
        yield
