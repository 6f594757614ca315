"""How the numbers of a tensor are spread, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.debugger.base import TensorUnavailableForStep
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.writer import REDUCTIONS_PREFIX

BINS, MAX_STEPS = 60, 200
_GROUPS = (("Weights", "weights"), ("Gradients", "gradients"), ("Biases", "biases"))


@dataclass(frozen=True, slots=True)
class Histograms:
    """`shares` (steps, bins): which share of a tensor's numbers is in each bin; `edges` (bins + 1,) of the bins.

    `steps` are training steps; `low`, `mean` and `high` (steps,) the 5th percentile, the mean and the 95th.
    `not_finite` is the share of NaN and Inf over all steps.
    """

    name: str
    steps: NDArray[np.int64]
    edges: NDArray[np.float64]
    shares: NDArray[np.float64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    not_finite: float


def tensor_groups(trial: Trial) -> dict[str, list[str]]:
    """Return the tensors worth a look, by kind: weights, gradients, biases, activations, logits."""
    groups = {title: trial.tensor_names(collection=name) for title, name in _GROUPS}
    taken = {name for names in groups.values() for name in names}
    hidden = ("epoch/", "hyperparameters/", REDUCTIONS_PREFIX)
    rest = [name for name in trial.tensor_names() if name not in taken and not name.startswith(hidden)]
    groups["Activations"] = [name for name in rest if "oss_" not in name]
    groups[tr("Logits and loss")] = [name for name in rest if "oss_" in name and not name.endswith("_input_1")]
    return {title: names for title, names in groups.items() if names}


def histograms(
    trial: Trial, name: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> Histograms:
    """Return the histograms of one tensor over at most 200 of its saved steps.

    Raises:
        Cancelled: through `cancel`.
    """
    saved = trial.tensor(name).steps()
    chosen = saved[:: max(1, -(-len(saved) // MAX_STEPS))]
    values: list[NDArray[np.float64]] = []
    steps: list[int] = []
    for done, step in enumerate(chosen):
        if cancel is not None:
            cancel.raise_if_cancelled()
        on_progress(Progress(done, len(chosen), f"Reading {name}", "steps"))
        try:
            values.append(np.asarray(trial.tensor(name).value(step), np.float64).ravel())
        except TensorUnavailableForStep:
            continue
        steps.append(trial.training_step(step))
    return _over(name, steps, values)


def _over(name: str, steps: list[int], values: list[NDArray[np.float64]]) -> Histograms:
    finite = [item[np.isfinite(item)] for item in values]
    total = sum(item.size for item in values)
    everything = np.concatenate(finite) if finite else np.empty(0)
    low, high = (float(everything.min()), float(everything.max())) if everything.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1, dtype=np.float64)
    shares = np.zeros((len(steps), BINS))
    summary = np.full((len(steps), 3), np.nan)
    for row, item in enumerate(finite):
        if item.size:
            shares[row] = np.histogram(item, edges)[0] / item.size
            summary[row] = np.percentile(item, 5), item.mean(), np.percentile(item, 95)
    lost = 1 - everything.size / total if total else 0.0
    fifth, mean, ninety_fifth = summary.T
    return Histograms(name, np.array(steps, np.int64), edges, shares, fifth, mean, ninety_fifth, lost)
