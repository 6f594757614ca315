"""Train an image classifier as a SageMaker training job: the same script here and in AWS's containers.

Reads SM_CHANNEL_TRAIN, _VALID, _TEST, _FEATURES and _WEIGHTS, writes the model to SM_MODEL_DIR and its evaluation to
SM_OUTPUT_DATA_DIR. Hyperparameters are in arguments.py, the lines it prints in metrics.py. The model that is kept is
that of the epoch with the lowest valid loss (train loss, where there are no valid pictures). SIGTERM: the step is
finished, the model so far is saved, the exit status is 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent)] + [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]

import json
import math
import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from training_scripts import fitting
from training_scripts.arguments import DIRECT, each_member, get_args_parser, parse_args
from training_scripts.callbacks import Callbacks
from training_scripts.checkpoints import Checkpoints, Progress
from training_scripts.direct import BEFORE_REFIT, calibrate, fit_at_once, refit, start_from_head
from training_scripts.distributed import World, first_host, torchrun
from training_scripts.durable import write_text
from training_scripts.ensemble import train_members
from training_scripts.evaluation import report, weakest_class, write_evaluation, write_predictions
from training_scripts.feature_store import read_channel
from training_scripts.features import Stopped
from training_scripts.heads import HEADS
from training_scripts.job import JobError, JobFolders, SharedBackbone, StopRequest, report_failure
from training_scripts.known_pictures import learn_unknown
from training_scripts.left_out import LeftOut, count_changed, count_left_out, write_left_out
from training_scripts.metrics import (
    METRIC_DEFINITIONS,
    begin_line,
    epoch_line,
    step_line,
    test_line,
    valid_line,
    write_whole_lines,
)
from training_scripts.network import Classifier, MeanOfHeads, set_training_mode
from training_scripts.optimizers import make_optimizer
from training_scripts.preparation import ReadFeatures, Setup, over_features, prepare
from training_scripts.running import Run, evaluate, note_epoch, train_step, trained_state
from training_scripts.saving import BestSoFar, save_head, save_model
from training_scripts.sources import Source
from training_scripts.stopping import StopTable

__all__ = ["METRIC_DEFINITIONS", "evaluate", "get_args_parser", "main", "train_one_epoch"]


def main(argv: Sequence[str] | None = None, read_features: ReadFeatures = read_channel) -> int:
    """Run the job; 0, or 1 after the failure file was written."""
    folders = JobFolders.from_environment()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = parse_args(arguments)
        command = torchrun(__file__, arguments)
        if command is not None and not over_features(args):
            os.execv(command[0], command)
        if command is not None and not first_host():
            print("A head over frozen features is trained by the first machine alone.", flush=True)
            return 0
        run_job(args, folders, StopRequest().listen(), World.from_environment(), read_features)
    except SystemExit:  # --help
        raise
    except Stopped:
        print("Asked to stop before the training began; there is no model.", flush=True)
    except BaseException as error:
        return report_failure(error, folders)
    return 0


def run_job(
    args: Namespace, folders: JobFolders, stop: StopRequest, world: World, read_features: ReadFeatures = read_channel
) -> None:
    """Prepare, train, save, evaluate.

    Raises:
        JobError: the job cannot be done as it was asked for.
    """
    for folder in (folders.model, folders.output_data):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        setup = prepare(args, folders, stop, world, stack, read_features)
        run = _begin(args, setup, stop, folders.monitored)
        stack.callback(run.callbacks.close)
        members = [_member(run, *pair) for pair in zip(each_member(args), _heads(run), strict=True)]
        checkpoints = Checkpoints(folders.checkpoints, args, setup.classes)
        _restore(run, world.from_first(checkpoints.load() if world.is_main_process else None))
        run.log(begin_line(run.progress.epoch))
        best = BestSoFar(folders.model if folders.synced and world.is_main_process else None, args, setup)
        if members:
            train_members(run, members, _fit_member)
        elif args.optimizer == DIRECT:
            fit_at_once(run)
        else:
            fit(run, checkpoints, best)
            if run.progress.best:
                run.model.load_state_dict(run.progress.best)
            calibrate(run)
        gauge = learn_unknown(run)
        judged = {}
        if refitted := args.refit and "valid" in setup.sources:
            judged = final_evaluation(run, folders.output_data, ("valid",), BEFORE_REFIT)
            for part in members or (run,):
                refit(part)
            run.log("The saved model has learned the valid pictures too: they say nothing more about it, test does.")
        if world.is_main_process:
            shared = None if setup.backbone_state is None else SharedBackbone.from_environment()
            if shared is None:
                save_model(folders.model, args, setup, run.progress, gauge=gauge)
            else:
                save_head(folders.model, args, setup, run.progress, shared, gauge)
            write_text(folders.output_data / "args.json", json.dumps(vars(args), indent=1), flushed=False)
        if not run.stopped or over_features(args):
            judged |= final_evaluation(run, folders.output_data, ("test",) if refitted else ("valid", "test"))
            if world.is_main_process:
                write_evaluation(folders.output_data, judged, setup.classes)
        tell_left_out(run, folders.output_data)
        if world.is_main_process and not run.stopped:  # a job that was reclaimed continues from it
            checkpoints.clear()


def fit(run: Run, checkpoints: Checkpoints, best: BestSoFar) -> None:
    """Train until the last epoch, `patience`, the search's limits or a stop; the best weights are in `run.progress`."""
    args, progress, sources = run.args, run.progress, run.setup.sources
    stops = StopTable.from_environment()
    pretrained = args.mode == "fine_tune" and args.weights != "none"
    if pretrained and args.fit_head and HEADS[args.head].convex and not progress.epoch:
        start_from_head(run)
        if run.stopped:
            return
    for epoch in range(progress.epoch + 1, args.num_epochs + 1):
        started, rate = time.perf_counter(), _set_rate(run, epoch)
        train = train_one_epoch(run, sources["train"], epoch)
        if run.stopped:
            _tell_stop(run, epoch)
            return
        outcome = evaluate(run, sources["valid"]) if "valid" in sources else None
        run.agree()
        if run.stopped and outcome is None and "valid" in sources:
            _tell_stop(run, epoch)
            return
        valid = None if outcome is None else (outcome.loss, outcome.accuracy)
        seconds = time.perf_counter() - started
        line = epoch_line(epoch, args.num_epochs, train, valid, rate, seconds)
        run.log(line)
        note_epoch(run, epoch, (valid or train)[0])
        metrics = {"train_loss": train[0], "train_accuracy": train[1]}
        if valid is not None:
            metrics |= {"valid_loss": valid[0], "valid_accuracy": valid[1]}
        run.callbacks.end_epoch(epoch, metrics)
        best.keep(progress)
        if run.setup.world.is_main_process and checkpoints.due():
            progress.model, progress.optimizer = trained_state(run.model), run.optimizer.state_dict()
            checkpoints.save(progress)
        if stops.is_beyond(epoch, line):
            run.log(f"Stopped early after epoch {epoch}: the objective is behind that of the other trials.")
            return
        if args.patience and progress.since_best >= args.patience:
            run.log(f"No better epoch since epoch {progress.best_epoch}: ended by patience.")
            return
        if run.stopped:
            _tell_stop(run, epoch)
            return


def _tell_stop(run: Run, epoch: int) -> None:
    run.log(f"Asked to stop in epoch {epoch}; the model so far is saved.")


def train_one_epoch(run: Run, source: Source, epoch: int) -> tuple[float, float]:
    """Train one pass in a new order, less on a stop; returns mean loss (as it is optimised) and accuracy.

    Order, dropout and augmentation follow from seed and epoch alone, so a restarted job continues as if nothing was.
    """
    args, progress, callbacks = run.args, run.progress, run.callbacks
    _seed(run, args.seed * 1_000_003 + epoch)
    order = np.random.default_rng([args.seed, epoch]).permutation(len(source))
    set_training_mode(run.model, run.setup.trained_modules)
    callbacks.set_mode("TRAIN")
    sums = torch.zeros(3, dtype=torch.float64, device=run.setup.device)  # loss, right, seen
    batches = iter(source.training_batches(order, args.batch_size, epoch))
    while not run.stopped:
        with callbacks.phase("data_loading"):
            batch = next(batches, None)
        if batch is None:
            break
        count = run.agree(len(batch.labels))
        if run.stopped or count == 0 or count < HEADS[args.head].least_batch:
            continue  # too few of this batch could be read
        callbacks.begin_step(progress.step)
        step_sums = train_step(run, batch, count)
        callbacks.end_step(progress.step)
        progress.step += 1
        sums += step_sums
        if args.log_interval and progress.step % args.log_interval == 0:
            loss = run.setup.world.sum(step_sums)[0].item() / count
            run.log(step_line(progress.step, epoch, loss))
    loss_sum, right, seen = run.setup.world.sum(sums).tolist()
    if not seen and not run.stopped:
        raise JobError("None of the train pictures can be read.")
    return loss_sum / max(seen, 1), right / max(seen, 1)


def _seed(run: Run, seed: int) -> None:
    if run.setup.device.type == "cpu":  # torch.manual_seed keeps a note for every GPU that may come, with a stack
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def final_evaluation(run: Run, folder: Path, wanted: Sequence[str], note: str = "") -> dict[str, dict[str, Any]]:
    """Judge the model on some splits: predictions_<split>.csv, the test line, and what evaluation.json says of each."""
    splits = {}
    for split in wanted:
        source = run.setup.sources.get(split)
        outcome = evaluate(run, source, with_logits=True) if source is not None else None
        if source is None or outcome is None:
            continue
        left_out = _left_out(run, source)
        if not run.setup.world.is_main_process:
            continue
        splits[split] = report(outcome, run.setup.classes, source.root, left_out, note)
        write_predictions(folder / f"predictions_{split}.csv", outcome, run.setup.classes, source.paths)
        weakest = weakest_class(outcome, run.setup.classes)
        if split == "test":
            run.log(test_line(outcome.loss, outcome.accuracy, outcome.count, weakest))
        elif split == "valid":
            run.log(valid_line(outcome.count, outcome.right, weakest))
    return splits


def tell_left_out(run: Run, folder: Path) -> None:
    """Write which pictures could not be read and were not used; say how many remain of each split and were replaced."""
    left_out = {split: _left_out(run, source) for split, source in run.setup.sources.items()}
    changed = {
        split: {path for part in run.setup.world.gather(list(source.changed)) for path in part}
        for split, source in run.setup.sources.items()
    }
    if not run.setup.world.is_main_process:
        return
    write_left_out(folder, left_out)
    for split, pictures in left_out.items():
        source = run.setup.sources[split]
        in_features = over_features(run.args)  # whose positions are those of the pictures that were read
        count_left_out(split, pictures, len(source) - (0 if in_features else len(pictures)))
        count_changed(split, len(changed[split]), len(source))


def _left_out(run: Run, source: Source) -> list[LeftOut]:
    """Return the pictures of a split that one process or another could not read, by path."""
    found = {picture.path: picture for part in run.setup.world.gather(list(source.left_out)) for picture in part}
    return [found[path] for path in sorted(found)]


def _heads(run: Run) -> Sequence[nn.Module]:
    """Return the heads of which a model is the mean; none where it has one alone."""
    return list(run.model.head.heads) if isinstance(run.model.head, MeanOfHeads) else []


def _member(run: Run, args: Namespace, head: nn.Module) -> Run:
    """Return the training of one head of which the model is the mean; nothing watches it by itself."""
    member = _begin(args, replace(run.setup, model=Classifier(nn.Identity(), head)), run.stop)
    member.quiet = True
    return member


def _fit_member(member: Run) -> None:
    """Train one head by steps, and keep its best epoch."""
    with tempfile.TemporaryDirectory(prefix="sagehound-member-") as folder:
        fit(
            member,
            Checkpoints(Path(folder), member.args, member.setup.classes),
            BestSoFar(None, member.args, member.setup),
        )
    if member.progress.best:
        member.model.load_state_dict(member.progress.best)


def _begin(args: Namespace, setup: Setup, stop: StopRequest, monitored: Path | None = None) -> Run:
    """Return a training that can begin, watched from the folder `monitored`."""
    weights = fitting.class_weights(setup.sources["train"].labels, len(setup.classes), args.class_weights)
    weights = None if weights is None else weights.to(setup.device)
    loss_fn = nn.CrossEntropyLoss(weights, label_smoothing=args.label_smoothing)
    half = setup.device.type == "cuda" and args.amp
    scaler = torch.amp.GradScaler(setup.device.type, enabled=half and not torch.cuda.is_bf16_supported(False))
    optimizer = make_optimizer(args, setup.model)
    callbacks = Callbacks() if monitored is None else Callbacks.start(setup.model, loss_fn, args, monitored)
    return Run(args, setup, loss_fn, optimizer, scaler, callbacks, stop, setup.world.wrap(setup.model))


def _set_rate(run: Run, epoch: int) -> float:
    """Set the step size of an epoch by the schedule, and return it: `cosine` comes down to almost nothing."""
    share = 1.0
    if run.args.schedule == "cosine":
        share = 0.5 * (1 + math.cos(math.pi * (epoch - 1) / run.args.num_epochs))
    for group in run.optimizer.param_groups:
        group["lr"] = share * group["whole_rate"]
    return share * float(run.args.learning_rate)


def _restore(run: Run, progress: Progress | None) -> None:
    """Continue from a checkpoint."""
    if progress is not None:
        run.model.load_state_dict(progress.model)
        run.optimizer.load_state_dict(progress.optimizer)
        run.progress = progress


if __name__ == "__main__":
    write_whole_lines()
    sys.exit(main())
