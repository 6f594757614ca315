"""How long a job will take here, from what was measured on this machine, and what is worth saying before it starts.

Speeds are kept in the store by what was measured, in seconds:

features/<backbone>                 one view of a picture through the frozen network, all cores at work
features/<backbone>/<version>       0 once the features of that dataset version are there
head/epoch                          one picture in one epoch over frozen features
head/fit                            one picture in one fit at once; a cross-validation has one for each fold more
head/trial                          a trial's time besides its epochs or fits
fine_tune/<backbone>/<unfreeze>     one picture in one epoch, times the cores it had
fine_tune/trial                     a trial's time besides its epochs
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.jobs.ranges import CategoricalRange, combinations
from core.jobs.specs import Spec
from core.processors import available_cores
from core.tuning.spec_warnings import Counts, SpecWarning, spec_warnings
from core.tuning.wanted_features import DEFAULTS, FEATURE_HYPERPARAMETERS, choices, over_features
from training_scripts.arguments import DIRECT
from training_scripts.backbones import BACKBONES

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.store import Store

START_UP_S = 4.0
"""From the click to the first trial: a supervisor, and torch imported once."""

_DEFAULT_EPOCHS = 10.0

FIRST_ESTIMATES: Mapping[str, float] = {
    **{f"features/{backbone.name}": backbone.seconds for backbone in BACKBONES.values()},
    "head/epoch": 2e-5,
    "head/fit": 4e-4,
    "head/trial": 0.8,
    "fine_tune/trial": 3.0,
}
"""Used until this machine has measured its own; from two cores of 2026 (facts of the project's benchmarks)."""

_TRAINING_FACTOR = {"last_block": 3.0, "all": 9.0}
"""Training against computing frozen features, in core time per picture: torch eager, and a backward pass."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a job will do.

    `combinations` is the size of the grid, None where a range is continuous or nothing is searched. `seconds` is the
    whole duration (None without a dataset), of which `features_seconds` go to frozen features; `basis` says whether
    this machine was measured. Trials that are stopped early make it shorter.
    """

    trials: int
    combinations: int | None
    seconds: float | None
    features_seconds: float
    basis: Literal["measured", "estimated"]
    warnings: tuple[SpecWarning, ...]


def forecast(spec: Spec, manifest: Manifest | None, store: Store) -> Forecast:
    """Return what a job will do on this machine with a dataset; without one, only what can be said without."""
    counts = manifest.counts() if manifest is not None else None
    version = manifest.version if manifest is not None else ""
    return forecast_from(spec, counts, version, store.speeds(), available_cores())


def forecast_from(spec: Spec, counts: Counts | None, version: str, speeds: Mapping[str, float], cores: int) -> Forecast:
    """Forecast from plain values."""
    total = combinations(spec.ranges) if spec.ranges else None
    warnings = spec_warnings(spec, counts, cores)
    if counts is None:
        return Forecast(spec.trials, total, None, 0.0, "estimated", warnings)
    clock = _Clock(speeds)
    pictures = sum(sum(splits.values()) for splits in counts.values())
    train = sum(splits.get("train", 0) for splits in counts.values())
    features_seconds = _features_seconds(spec, pictures, version, clock)
    per_trial = _trial_seconds(spec, train, max(1, cores // spec.at_once), clock)
    # More trials at once than cores take turns on them.
    at_once = min(spec.at_once, cores)
    seconds = START_UP_S + features_seconds + math.ceil(spec.trials / at_once) * per_trial
    return Forecast(
        spec.trials, total, seconds, features_seconds, "measured" if clock.all_measured else "estimated", warnings
    )


def trial_speeds(
    hyperparameters: Mapping[str, str], epoch_seconds: Sequence[float], wall_s: float, pictures: int, cores: int
) -> dict[str, float]:
    """Return what a finished trial teaches about this machine, by the names above."""
    if not epoch_seconds or not pictures:
        return {}
    values = {**DEFAULTS, **hyperparameters}
    per_picture = sum(epoch_seconds) / len(epoch_seconds) / pictures
    rest = max(0.0, wall_s - sum(epoch_seconds))
    if over_features(values):
        fits = _fits(values)
        return (
            {"head/fit": per_picture / fits, "head/trial": rest}
            if fits
            else {"head/epoch": per_picture, "head/trial": rest}
        )
    return {_training_key(values): per_picture * cores, "fine_tune/trial": rest}


class _Clock:
    """Looks up durations, and remembers whether all of them were measured here."""

    def __init__(self, speeds: Mapping[str, float]) -> None:
        self._speeds, self.all_measured = speeds, True

    def seconds(self, what: str, otherwise: float | None = None) -> float:
        if what in self._speeds:
            return self._speeds[what]
        self.all_measured = False
        return FIRST_ESTIMATES[what] if otherwise is None else otherwise

    def knows_features(self, choice: Mapping[str, str], version: str) -> bool:
        return known_features(choice, version) in self._speeds


def known_features(choice: Mapping[str, str], version: str) -> str:
    """Return the name under which it is recorded that the features of a dataset version are computed."""
    own = {name: choice.get(name, DEFAULTS[name]) for name in FEATURE_HYPERPARAMETERS if name != "backbone"}
    other = "".join(f"/{value}" for name, value in own.items() if value != DEFAULTS[name])
    return f"features/{choice['backbone']}{other}/{version}"


def _features_seconds(spec: Spec, pictures: int, version: str, clock: _Clock) -> float:
    wanted = {known_features(choice, version): choice for choice in choices(spec) if over_features(choice)}
    return sum(
        clock.seconds(name := f"features/{choice['backbone']}", FIRST_ESTIMATES.get(name, 0.02))
        * int(choice["views"])
        * pictures
        for _, choice in sorted(wanted.items())
        if not clock.knows_features(choice, version)
    )


def _trial_seconds(spec: Spec, pictures: int, cores: int, clock: _Clock) -> float:
    """Return the mean over the choices of backbone, mode and depth that the ranges leave open."""
    epochs = _mean_epochs(spec)
    durations = []
    for choice in choices(spec):
        if over_features(choice):
            fits = _fits(spec.training.hyperparameters)
            passes = fits * clock.seconds("head/fit") if fits else epochs * clock.seconds("head/epoch")
            durations.append(clock.seconds("head/trial") + pictures * passes)
            continue
        features = FIRST_ESTIMATES.get(f"features/{choice['backbone']}", 0.02)
        guess = features * 2 * _TRAINING_FACTOR.get(choice["unfreeze"], 9.0)  # measured on two cores
        per_picture = clock.seconds(_training_key(choice), guess) / cores
        durations.append(clock.seconds("fine_tune/trial") + epochs * pictures * per_picture)
    return sum(durations) / len(durations)


def _fits(hyperparameters: Mapping[str, str]) -> int:
    """Return how often a trial fits a head at once; 0 where it trains by steps."""
    if hyperparameters.get("optimizer") != DIRECT:
        return 0
    try:
        return 1 + int(float(hyperparameters.get("folds", "0")))
    except ValueError:
        return 1


def _mean_epochs(spec: Spec) -> float:
    try:
        for item in spec.ranges:
            if item.name == "num_epochs":
                ends = item.values if isinstance(item, CategoricalRange) else (item.low, item.high)
                return sum(map(float, ends)) / len(ends)
        return float(spec.training.hyperparameters.get("num_epochs", _DEFAULT_EPOCHS))
    except ValueError:
        return _DEFAULT_EPOCHS


def _training_key(values: Mapping[str, str]) -> str:
    depth = values["unfreeze"] if values["mode"] == "fine_tune" else "frozen"
    return f"fine_tune/{values['backbone']}/{depth}"
