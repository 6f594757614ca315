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
import os
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch._dynamo  # every optimizer imports it at first use; here a process that preloads this module does it once
from torch import nn

from training_scripts.arguments import get_args_parser, parse_args
from training_scripts.backbones import BACKBONES
from training_scripts.checkpoints import Checkpoints, Progress
from training_scripts.distributed import World, first_host, torchrun
from training_scripts.durable import write_text
from training_scripts.evaluation import Outcome, report, write_evaluation, write_predictions
from training_scripts.features import Stopped
from training_scripts.job import JobError, JobFolders, StopRequest, report_failure
from training_scripts.left_out import LeftOut, count_changed, count_left_out, write_left_out
from training_scripts.metrics import METRIC_DEFINITIONS, epoch_line, step_line, test_line, write_whole_lines
from training_scripts.model import Classifier, set_training_mode
from training_scripts.monitor import Monitor
from training_scripts.preparation import Setup, over_features, prepare
from training_scripts.runtime import has_bfloat16
from training_scripts.saving import BestSoFar, save_model
from training_scripts.sources import Batch, Source
from training_scripts.stopping import StopTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["METRIC_DEFINITIONS", "evaluate", "get_args_parser", "main", "train_one_epoch"]


@dataclass(slots=True)
class Run:
    """What a running training works with. `setup.sources` maps train, valid and test to their data."""

    args: Namespace
    setup: Setup
    loss_fn: nn.CrossEntropyLoss
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    monitor: Monitor
    stop: StopRequest
    network: nn.Module
    progress: Progress = field(default_factory=Progress)
    stopped: bool = False

    @property
    def model(self) -> Classifier:
        """Return the model in training; `network` is the same, with gradients averaged over all processes."""
        return self.setup.model

    def log(self, line: str) -> None:
        """Print a line once, not in every process."""
        if self.setup.world.is_main_process:
            print(line, flush=True)

    def agree(self, count: int = 0) -> int:
        """Let all processes know whether one was asked to stop (`stopped`); returns the sum of their counts."""
        if self.setup.world.size == 1:
            self.stopped = self.stop.requested
            return count
        values = torch.tensor([count, int(self.stop.requested)], device=self.setup.device)
        total, stops = self.setup.world.sum(values).tolist()
        self.stopped = self.stopped or stops > 0
        return int(total)


def main(argv: Sequence[str] | None = None) -> int:
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
        run_job(args, folders, StopRequest().listen(), World.from_environment())
    except SystemExit:  # --help
        raise
    except Stopped:
        print("Asked to stop before the training began; there is no model.", flush=True)
    except BaseException as error:
        return report_failure(error, folders)
    return 0


def run_job(args: Namespace, folders: JobFolders, stop: StopRequest, world: World) -> None:
    """Prepare, train, save, evaluate.

    Raises:
        JobError: the job cannot be done as it was asked for.
    """
    for folder in (folders.model, folders.output_data):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        setup = prepare(args, folders, stop, world, stack)
        run = _begin(args, setup, folders, stop)
        stack.callback(run.monitor.close)
        checkpoints = Checkpoints(folders.checkpoints, args, setup.classes)
        _restore(run, world.from_first(checkpoints.load() if world.is_main_process else None))
        best = BestSoFar(folders.model if folders.synced and world.is_main_process else None, args, setup)
        fit(run, checkpoints, best)
        if run.progress.best:
            run.model.load_state_dict(run.progress.best)
        if world.is_main_process:
            save_model(folders.model, args, setup, run.progress)
            write_text(folders.output_data / "args.json", json.dumps(vars(args), indent=1), flushed=False)
        if not run.stopped or over_features(args):
            final_evaluation(run, folders.output_data)
        tell_left_out(run, folders.output_data)
        if world.is_main_process and not run.stopped:  # a job that was reclaimed goes on from it
            checkpoints.clear()


def fit(run: Run, checkpoints: Checkpoints, best: BestSoFar) -> None:
    """Train until the last epoch, `patience`, the search's limits or a stop; the best weights are in `run.progress`."""
    args, progress, sources = run.args, run.progress, run.setup.sources
    stops = StopTable.from_environment()
    for epoch in range(progress.epoch + 1, args.num_epochs + 1):
        started = time.perf_counter()
        train = train_one_epoch(run, sources["train"], epoch)
        if run.stopped:
            run.log(f"Asked to stop in epoch {epoch}; the model so far is saved.")
            return
        outcome = evaluate(run, sources["valid"]) if "valid" in sources else None
        run.agree()
        if run.stopped and outcome is None and "valid" in sources:
            return
        valid = None if outcome is None else (outcome.loss, outcome.accuracy)
        seconds = time.perf_counter() - started
        line = epoch_line(epoch, args.num_epochs, train, valid, args.learning_rate, seconds)
        run.log(line)
        _note_epoch(run, epoch, (valid or train)[0])
        metrics = {"train_loss": train[0], "train_accuracy": train[1]}
        if valid is not None:
            metrics |= {"valid_loss": valid[0], "valid_accuracy": valid[1]}
        run.monitor.end_epoch(epoch, metrics)
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
            return


def train_one_epoch(run: Run, source: Source, epoch: int) -> tuple[float, float]:
    """Mean loss (as it is optimised) and accuracy over one pass in a new order; ends early on a stop.

    Order, dropout and augmentation follow from seed and epoch alone, so a restarted job goes on as if nothing was.
    """
    args, progress, monitor = run.args, run.progress, run.monitor
    torch.manual_seed(args.seed * 1_000_003 + epoch)
    order = np.random.default_rng([args.seed, epoch]).permutation(len(source))
    set_training_mode(run.model, run.setup.trained_modules)
    monitor.set_mode("TRAIN")
    sums = torch.zeros(3, dtype=torch.float64, device=run.setup.device)  # loss, right, seen
    batches = iter(source.training_batches(order, args.batch_size, epoch))
    while not run.stopped:
        with monitor.phase("data_loading"):
            batch = next(batches, None)
        if batch is None:
            break
        count = run.agree(len(batch.labels))
        if run.stopped or count == 0 or (count == 1 and args.head == "linear_dropout_batchnorm"):
            continue  # batch norm cannot learn from one picture, which is all that could be read of this batch
        monitor.begin_step(progress.step)
        step_sums = _train_step(run, batch, count)
        monitor.end_step(progress.step)
        progress.step += 1
        sums += step_sums
        if args.log_interval and progress.step % args.log_interval == 0:
            loss = run.setup.world.sum(step_sums)[0].item() / count
            run.log(step_line(progress.step, epoch, loss))
    loss_sum, right, seen = run.setup.world.sum(sums).tolist()
    if not seen and not run.stopped:
        raise JobError("None of the train pictures can be read.")
    return loss_sum / max(seen, 1), right / max(seen, 1)


def _train_step(run: Run, batch: Batch, count: int) -> Tensor:
    """One step of the optimizer over `count` pictures, of which `batch` has this process's share.

    Returns the sum of their losses, how many were right, how many there were: (3,) float64.
    """
    monitor, labels, mine = run.monitor, batch.labels, len(batch.labels)
    inputs = batch.inputs if mine else batch.inputs.new_zeros((1, *batch.inputs.shape[1:]))
    run.optimizer.zero_grad(set_to_none=True)
    with monitor.phase("forward"), _autocast(run):
        logits = run.network(inputs).float()
        loss: Tensor = run.loss_fn(logits, labels) if mine else logits.sum() * 0
    share = mine * run.setup.world.size / count  # gradients are averaged over processes, the loss over pictures
    with monitor.phase("backward"):
        run.scaler.scale(loss * share if share != 1 else loss).backward()  # type: ignore[no-untyped-call]
    if mine:
        monitor.batch(inputs, logits, labels, loss)
    with monitor.phase("optimizer"):
        run.scaler.step(run.optimizer)
        run.scaler.update()
    sums = torch.zeros(3, dtype=torch.float64, device=loss.device)
    if mine:
        sums[0], sums[1], sums[2] = loss.detach() * mine, (logits.argmax(dim=1) == labels).sum(), mine
    return sums


def evaluate(run: Run, source: Source) -> Outcome | None:
    """Return what the model says of everything in `source`; None when nothing in it can be read, or on a stop."""
    parts: list[tuple[NDArray[Any], ...]] = []
    total, monitor, progress, world = 0.0, run.monitor, run.progress, run.setup.world
    run.model.eval()
    monitor.set_mode("EVAL")
    with torch.no_grad(), monitor.phase("evaluation"), _unsmoothed(run.loss_fn):
        for batch in source.evaluation_batches(run.args.batch_size):
            if run.stop.requested and world.size == 1 and not over_features(run.args):
                return None
            if not len(batch.labels):
                continue
            monitor.begin_step(progress.eval_step)
            with _autocast(run):
                logits = run.model(batch.inputs).float()
            loss = run.loss_fn(logits, batch.labels)
            monitor.batch(batch.inputs, logits, batch.labels, loss)
            monitor.end_step(progress.eval_step)
            progress.eval_step += 1
            total += loss.item() * len(batch.labels)
            probability, predicted = logits.softmax(dim=1).max(dim=1)
            parts.append((batch.positions, *(x.cpu().numpy() for x in (batch.labels, predicted, probability))))
    return _joined(world, total, parts)


def _joined(world: World, total: float, parts: list[tuple[NDArray[Any], ...]]) -> Outcome | None:
    """Return the outcome of all processes: the sum of their losses, and their pictures in the order of the source."""
    gathered = world.gather((total, parts))
    columns = list(zip(*(part for _, theirs in gathered for part in theirs), strict=True))
    if not columns:
        return None
    positions, labels, predicted, probabilities = (np.concatenate(column) for column in columns)
    order = np.argsort(positions, kind="stable")
    loss = sum(their_total for their_total, _ in gathered) / len(labels)
    return Outcome(loss, positions[order], labels[order], predicted[order], probabilities[order])


def final_evaluation(run: Run, folder: Path) -> None:
    """Judge the saved model on valid and test: evaluation.json, predictions_<split>.csv and the test line."""
    splits = {}
    for split in ("valid", "test"):
        source = run.setup.sources.get(split)
        outcome = evaluate(run, source) if source is not None else None
        if source is None or outcome is None:
            continue
        left_out = _left_out(run, source)
        if not run.setup.world.is_main_process:
            continue
        splits[split] = report(outcome, run.setup.classes, source.root, left_out)
        write_predictions(folder / f"predictions_{split}.csv", outcome, run.setup.classes, source.paths)
        if split == "test":
            run.log(test_line(outcome.loss, outcome.accuracy, outcome.count))
    if run.setup.world.is_main_process:
        write_evaluation(folder, splits, run.setup.classes)


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


def trained_state(model: Classifier) -> dict[str, Tensor]:
    """Return a copy of all that training may have changed: the head alone over features, else the whole network."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _begin(args: Namespace, setup: Setup, folders: JobFolders, stop: StopRequest) -> Run:
    loss_fn = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    half = setup.device.type == "cuda" and args.amp
    scaler = torch.amp.GradScaler(setup.device.type, enabled=half and not torch.cuda.is_bf16_supported(False))
    optimizer = _optimizer(args, [parameter for parameter in setup.model.parameters() if parameter.requires_grad])
    monitor = Monitor.start(setup.model, loss_fn, args, folders.monitored)
    return Run(args, setup, loss_fn, optimizer, scaler, monitor, stop, setup.world.wrap(setup.model))


def _optimizer(args: Namespace, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = args.learning_rate, args.weight_decay
    if args.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=args.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if args.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)


def _restore(run: Run, progress: Progress | None) -> None:
    """Go on from a checkpoint."""
    if progress is not None:
        run.model.load_state_dict(progress.model)
        run.optimizer.load_state_dict(progress.optimizer)
        run.progress = progress


def _note_epoch(run: Run, epoch: int, loss: float) -> None:
    """Remember the weights if this is the best epoch so far; a loss that is no number never is."""
    progress = run.progress
    progress.epoch = epoch
    progress.since_best += 1
    if loss < progress.best_loss:
        progress.best_loss, progress.best_epoch, progress.since_best = loss, epoch, 0
        progress.best = trained_state(run.model)


@contextmanager
def _unsmoothed(loss_fn: nn.CrossEntropyLoss) -> Iterator[None]:
    """Evaluation counts the plain cross-entropy, whatever training optimises."""
    smoothing, loss_fn.label_smoothing = loss_fn.label_smoothing, 0.0
    try:
        yield
    finally:
        loss_fn.label_smoothing = smoothing


def _autocast(run: Run) -> torch.autocast:
    """Mixed precision: bfloat16 where the device has it, else, on a GPU, float16 with a scaled loss.

    On a CPU only where the network bears it, and in fine_tune: a head's few sums gain nothing by it.
    """
    device = run.setup.device.type
    kind = torch.float16 if run.scaler.is_enabled() else torch.bfloat16
    on_cpu = run.args.mode == "fine_tune" and BACKBONES[run.args.backbone].bfloat16 and has_bfloat16()
    return torch.autocast(device, kind, enabled=run.args.amp and (device == "cuda" or (device == "cpu" and on_cpu)))


if __name__ == "__main__":
    write_whole_lines()
    sys.exit(main())
