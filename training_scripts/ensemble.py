"""A model that is the mean of several heads over the same frozen features.

Each head is trained as it would be alone, from the same seed; then the mean of their logits is judged, calibrated and
saved as one model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from training_scripts import fitting
from training_scripts.arguments import DIRECT
from training_scripts.direct import calibrate, known, settings_of, take, tell_unseen
from training_scripts.metrics import epoch_line
from training_scripts.running import Run, evaluate, note_epoch


def train_members(run: Run, members: Sequence[Run], train: Callable[[Run], None]) -> None:
    """Train the heads of which the model of `run` is the mean; `train` trains one by steps. Sets the temperature too.

    Heads that are all fitted at once are cross-validated together, where that is asked for.
    """
    args, sources, classes, started = run.args, run.setup.sources, len(run.setup.classes), time.perf_counter()
    fitted = [member.args.optimizer == DIRECT for member in members]
    learned = known(run, ("train",))[0] if any(fitted) else None  # else they may be more than the memory
    for number, member in enumerate(members, 1):
        run.log(f"Head {number} of {len(members)}")
        if member.args.optimizer == DIRECT and learned is not None:
            take(member, fitting.fit(learned.inputs, learned.labels, classes, settings_of(member.args)))
        else:
            train(member)
        if member.stopped:
            run.stopped = True
    unseen = None
    learned = None  # folds need the memory
    if args.folds and all(fitted):
        every, groups = known(run, ("train", "valid"))
        settings = [settings_of(member.args) for member in members]
        unseen = fitting.cross_validate(every.inputs, every.labels, groups, classes, settings, args.folds)
        tell_unseen(run, unseen)
    outcomes = [evaluate(run, sources[split]) if split in sources else None for split in ("train", "valid")]
    on_train, valid = [None if outcome is None else (outcome.loss, outcome.accuracy) for outcome in outcomes]
    assert on_train is not None  # features are there, or the job would not have begun
    run.log(epoch_line(1, 1, on_train, valid, None, time.perf_counter() - started))
    note_epoch(run, 1, (valid or on_train)[0])
    run.callbacks.end_epoch(1, {"train_loss": on_train[0], "train_accuracy": on_train[1]})
    if args.calibrate and unseen is not None:
        run.model.temperature = fitting.temperature(unseen.logits, every.labels)
    else:
        calibrate(run)
