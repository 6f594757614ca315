"""Heads that are fitted at once, and the temperature that every model gets in the end.

The fit itself is fitting.py's, which knows neither jobs nor files; here it becomes a training job's one epoch.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from training_scripts import fitting
from training_scripts.evaluation import Outcome
from training_scripts.known_pictures import features_of
from training_scripts.metrics import cv_line, epoch_line, step_line
from training_scripts.network import set_training_mode
from training_scripts.preparation import over_features
from training_scripts.running import Run, evaluate, note_epoch, train_step
from training_scripts.sources import Batch, FeatureSource, check_at_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

START_DECAY = 1e-2
"""The penalty of the head that fine-tuning starts from: the best for a few hundred pictures, and good for more."""
BEFORE_REFIT = "of the same settings fitted on train alone: the saved model has learned the valid pictures too"
"""What evaluation.json notes beside the numbers of valid when there was a refit."""


def fit_at_once(run: Run) -> None:
    """Put the head at the lowest point of its loss; one epoch, whatever `num_epochs` says. Sets the temperature too.

    With `folds` it is also fitted and judged part by part over train and valid, which says more than valid alone.
    """
    args, classes, started = run.args, len(run.setup.classes), time.perf_counter()
    settings = settings_of(args)
    train, _ = known(run, ("train",))

    def on_iteration(iteration: int, loss: float) -> None:
        # The first steps are the long ones: without them there is nothing to see of how it learned.
        if args.log_interval and (iteration <= args.log_interval or iteration % args.log_interval == 0):
            run.log(step_line(iteration, 1, loss))

    head = fitting.fit(train.inputs, train.labels, classes, settings, on_iteration)
    take(run, head)
    learned = _watch_step(run, train)
    del train  # folds need the memory
    outcome = evaluate(run, run.setup.sources["valid"], with_logits=True) if "valid" in run.setup.sources else None
    valid = None if outcome is None else (outcome.loss, outcome.accuracy)
    unseen = None
    if args.folds:
        every, groups = known(run, ("train", "valid"))
        unseen = fitting.cross_validate(every.inputs, every.labels, groups, classes, [settings], args.folds)
        tell_unseen(run, unseen)
    run.log(epoch_line(1, 1, learned, valid, None, time.perf_counter() - started))
    note_epoch(run, 1, (valid or learned)[0])
    run.callbacks.end_epoch(1, {"train_loss": learned[0], "train_accuracy": learned[1]})
    if args.calibrate and unseen is not None:
        run.model.temperature = fitting.temperature(unseen.logits, every.labels)
    elif args.calibrate and outcome is not None:
        _set_temperature(run, outcome)


def start_from_head(run: Run) -> None:
    """Fit the head to what the untouched network says of the train pictures: fine-tuning's epoch 0.

    It is kept like any other epoch, so fine-tuning ends no worse by the valid loss than the head that it started from.
    """
    args, started, sources = run.args, time.perf_counter(), run.setup.sources
    found = features_of(run, sources["train"])
    if run.stopped or found is None:
        return
    features, labels = found.features, found.labels
    settings = fitting.Settings(START_DECAY, args.class_weights, args.label_smoothing)
    head = fitting.fit(features, labels, len(run.setup.classes), settings)
    take(run, head)
    logits = head.logits(features)
    learned = F.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).float().mean().item()
    outcome = evaluate(run, sources["valid"]) if "valid" in sources else None
    valid = None if outcome is None else (outcome.loss, outcome.accuracy)
    run.log(epoch_line(0, args.num_epochs, learned, valid, None, time.perf_counter() - started))
    note_epoch(run, 0, (valid or learned)[0])


def refit(run: Run) -> None:
    """Fit the head again on train and valid together: more to learn from, and nothing left of valid to judge it by."""
    args = run.args
    every, _ = known(run, ("train", "valid"))
    take(run, fitting.fit(every.inputs, every.labels, len(run.setup.classes), settings_of(args)))


def calibrate(run: Run) -> None:
    """Set the temperature that makes the model as sure of the valid pictures as it is often right."""
    source = run.setup.sources.get("valid")
    if not run.args.calibrate or source is None or (run.stopped and not over_features(run.args)):
        return
    outcome = evaluate(run, source, with_logits=True)
    if outcome is not None:
        _set_temperature(run, outcome)


def _set_temperature(run: Run, outcome: Outcome) -> None:
    assert outcome.logits is not None
    if np.isfinite(outcome.logits).all():
        run.model.temperature = fitting.temperature(torch.from_numpy(outcome.logits), torch.from_numpy(outcome.labels))


def known(run: Run, splits: Sequence[str]) -> tuple[Batch, NDArray[np.int64]]:
    """Return all features of some splits, as far as they are there, and which pictures have the same content, (N,).

    Raises:
        JobError: they are more than can be in memory as often as a fit needs them.
    """
    sources = {split: source for split, source in run.setup.sources.items() if isinstance(source, FeatureSource)}
    # What folds and a refit will ask for later is checked before the first fit.
    later = ("train", "valid") if run.args.folds or run.args.refit else ()
    check_at_once([source for split, source in sources.items() if split in (*splits, *later)])
    found = [sources[split] for split in splits if split in sources]
    batches = [source.everything for source in found]
    if len(batches) == 1:
        return batches[0], found[0].contents  # no further copy of them
    inputs, labels = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("inputs", "labels"))
    return Batch(inputs, labels, np.arange(len(labels))), np.concatenate([source.contents for source in found])


def settings_of(args: Namespace) -> fitting.Settings:
    """Return what a head that is fitted at once is asked for."""
    return fitting.Settings(args.weight_decay, args.class_weights, args.label_smoothing)


def tell_unseen(run: Run, unseen: fitting.CrossValidation) -> None:
    """Say how well pictures were judged that were not learned."""
    run.log(cv_line(unseen.folds, (unseen.loss, unseen.loss_error), (unseen.accuracy, unseen.accuracy_error)))


def take(run: Run, head: fitting.Linear) -> None:
    """Make a fitted head the model's."""
    run.model.head.load_state_dict({"weight": head.weight, "bias": head.bias})


def _watch_step(run: Run, batch: Batch) -> tuple[float, float]:
    """Show the fitted head to the callbacks as one step over everything; returns its loss and accuracy."""
    run.callbacks.set_mode("TRAIN")
    set_training_mode(run.model, run.setup.trained_modules)
    run.callbacks.begin_step(run.progress.step)
    sums = train_step(run, batch, len(batch.labels), learn=False)
    run.callbacks.end_step(run.progress.step)
    run.progress.step += 1
    loss, right, seen = sums.tolist()
    return loss / seen, right / seen
