"""Small real trainings, healthy ones and ones with a fault seeded in, and which rules each must set off.

`python -m tests.training_scripts.debugger.faults` trains them all and prints the matrix, rule by fault, as Markdown.
"""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training_scripts.callbacks import Callbacks
from training_scripts.debugger.defaults import chosen_rules
from training_scripts.debugger.hook import TensorHook
from training_scripts.debugger.job_settings import Settings
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.rules import RULES
from training_scripts.debugger.runner import Evaluation


@dataclass
class Training:
    """One training: data, model, optimizer and the hyperparameters that the default rules go by."""

    model: nn.Module
    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    optimizer: torch.optim.Optimizer
    rate: float
    epochs: int = 8
    batch: int = 32
    smoothing: float = 0.0
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    change: Callable[[Tensor], Tensor] = lambda pictures: pictures
    before_step: Callable[[int], None] = lambda step: None

    def run(self, folder: Path) -> None:
        """Train as train.py does, saving every step's tensors under `folder`."""
        loss_fn = nn.CrossEntropyLoss(label_smoothing=self.smoothing)
        args = Namespace(**self.hyperparameters, learning_rate=self.rate, label_smoothing=self.smoothing)
        folder.mkdir(parents=True, exist_ok=True)
        hook = TensorHook(self.model, loss_fn, args, folder, Settings(save_interval=2))
        self.callbacks = callbacks = Callbacks([hook])
        step = 0
        for epoch in range(1, self.epochs + 1):
            train_loss, step = self._train_epoch(callbacks, loss_fn, step)
            valid_loss = self._evaluate(callbacks, nn.CrossEntropyLoss())
            callbacks.end_epoch(epoch, {"train_loss": train_loss, "valid_loss": valid_loss})
        callbacks.close()

    def _train_epoch(self, callbacks: Callbacks, loss_fn: nn.Module, step: int) -> tuple[float, int]:
        callbacks.set_mode("TRAIN")
        self.model.train()
        total = 0.0
        order = torch.randperm(len(self.train[1]))
        for rows in order.split(self.batch):
            self.before_step(step)
            pictures, labels = self.change(self.train[0][rows]), self.train[1][rows]
            callbacks.begin_step(step)
            self.optimizer.zero_grad()
            logits = self.model(pictures)
            loss = loss_fn(logits, labels)
            callbacks.batch(pictures, logits, labels, loss)
            loss.backward()
            self.optimizer.step()
            callbacks.end_step(step)
            total += loss.item() * len(rows)
            step += 1
        return total / len(order), step

    @torch.no_grad()
    def _evaluate(self, callbacks: Callbacks, loss_fn: nn.Module) -> float:
        callbacks.set_mode("EVAL")
        self.model.eval()
        total = 0.0
        for number, rows in enumerate(torch.arange(len(self.valid[1])).split(self.batch)):
            callbacks.begin_step(number)
            logits = self.model(self.valid[0][rows])
            loss = loss_fn(logits, self.valid[1][rows])
            callbacks.batch(self.valid[0][rows], logits, self.valid[1][rows], loss)
            callbacks.end_step(number)
            total += loss.item() * len(rows)
        return total / len(self.valid[1])


@dataclass(frozen=True)
class Case:
    """A training to be made (from a seed), the rules that must fire, those that may, and rules beyond the default set.

    What may fire is a consequence of the fault that hangs on the last digits: a network whose loss was thrown to 100
    may afterwards come down to 0 with vanished gradients, or stay up.
    """

    make: Callable[[], Training]
    fires: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    extra: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    before: Callable[[Path], Mapping[str, Mapping[str, str]]] | None = None


def fired(case: Case, folder: Path) -> set[str]:
    """Train the case under `folder` and return the names of the rules that found an issue."""
    torch.manual_seed(1)
    extra = dict(case.extra)
    if case.before is not None:
        extra.update(case.before(folder))
        torch.manual_seed(1)
    training = case.make()
    training.run(folder / "tensors")
    rules = chosen_rules(True, extra, training.hyperparameters | {"label_smoothing": training.smoothing})
    evaluation = Evaluation(Trial.open(folder / "tensors"), rules, {}, "case")
    evaluation.advance()
    evaluation.finish()
    errors = [run.details for run in evaluation.runs if run.status == "Error"]
    if errors:
        raise AssertionError(errors)
    return {run.name for run in evaluation.runs if run.status == "IssuesFound"}


def pictures(
    count: int, classes: int = 4, noise: float = 0.6, shares: list[float] | None = None
) -> tuple[Tensor, Tensor]:
    """(count, 3, 12, 12) pictures with a pattern of their class in noise, and their labels."""
    generator = torch.Generator().manual_seed(7)
    patterns = torch.randn(classes, 3, 12, 12, generator=generator)
    weights = torch.tensor(shares or [1.0] * classes)
    labels = torch.multinomial(weights, count, replacement=True)
    return 0.5 * patterns[labels] + noise * torch.randn(count, 3, 12, 12), labels


def features(count: int, classes: int = 4, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """(count, 64) features around a centre of their class, and their labels."""
    centres = torch.randn(classes, 64, generator=torch.Generator().manual_seed(7))
    labels = torch.randint(0, classes, (count,))
    return 0.5 * centres[labels] + noise * torch.randn(count, 64), labels


def cnn(classes: int = 4, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Two convolutions and a head, from random weights."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        activation(),
        nn.Conv2d(8, 16, 3, stride=2),
        activation(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


HEAD = {"mode": "head", "head": "linear", "features": "auto"}
FINE_TUNE = {"mode": "fine_tune", "head": "linear", "weights": "default"}
UNTRAINED = FINE_TUNE | {"weights": "none"}


def head_training(rate: float = 5e-3, classes: int = 4, **values: Any) -> Training:
    """A linear head on features, Adam."""
    model = nn.Sequential(nn.Linear(64, classes))
    data = {"train": features(256, classes), "valid": features(96, classes), "hyperparameters": dict(HEAD)}
    return Training(model, optimizer=torch.optim.Adam(model.parameters(), rate), rate=rate, **(data | values))


def cnn_training(rate: float = 3e-3, model: nn.Module | None = None, **values: Any) -> Training:
    """A small network on pictures, Adam."""
    model = model or cnn()
    data = {"train": pictures(256), "valid": pictures(96), "hyperparameters": dict(UNTRAINED)}
    optimizer = values.pop("optimizer", None) or torch.optim.Adam(model.parameters(), rate)
    return Training(model, optimizer=optimizer, rate=rate, **(data | values))


def _dropout_head() -> Training:
    model = nn.Sequential(nn.Linear(64, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    hyperparameters = HEAD | {"head": "linear_dropout_batchnorm"}
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Training(model, features(256), features(96), optimizer, 5e-3, 12, hyperparameters=hyperparameters)


def _augmented() -> Training:
    def change(batch: Tensor) -> Tensor:
        return batch + 0.3 * torch.randn_like(batch)

    model = cnn()
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    hyperparameters = UNTRAINED | {"augmentation": "light"}
    return cnn_training(0.02, model, optimizer=optimizer, change=change, hyperparameters=hyperparameters, epochs=12)


def _fine_tuned() -> Training:
    first = cnn_training()
    with tempfile.TemporaryDirectory() as folder:
        first.run(Path(folder))
    first.model[-1].reset_parameters()  # type: ignore[index,operator]
    return cnn_training(1e-3, first.model, hyperparameters=dict(FINE_TUNE), epochs=6)


def _last_block() -> Training:
    training = _fine_tuned()
    for parameter in training.model[0].parameters():  # type: ignore[index]
        parameter.requires_grad = False
    return training


def _smooth_many_classes() -> Training:
    data = {"train": features(640, 10), "valid": features(200, 10)}
    return head_training(classes=10, smoothing=0.1, batch=16, epochs=6, **data)


def _tanh_network() -> Training:
    return cnn_training(model=cnn(activation=nn.Tanh), epochs=10)


class _Block(nn.Module):
    """A residual block as torchvision's, with one ReLU that is called twice."""

    def __init__(self, width: int, starts_at_zero: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        if starts_at_zero:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


def residual(classes: int = 4, starts_at_zero: bool = False) -> nn.Module:
    """A small residual network from random weights; a convolution's bias stands in front of a normalisation."""
    blocks = [_Block(8, starts_at_zero), nn.MaxPool2d(2), _Block(8, starts_at_zero)]
    stem = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))


def _from_zero() -> Training:
    model = residual(starts_at_zero=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    return cnn_training(0.05, model, optimizer=optimizer, epochs=6)


def _ten_classes() -> Training:
    model = cnn(10)
    optimizer = torch.optim.SGD(model.parameters(), 0.03, momentum=0.9)
    data = {"train": pictures(384, 10, 0.8), "valid": pictures(160, 10, 0.8)}
    return cnn_training(0.03, model, optimizer=optimizer, epochs=10, **data)


HEALTHY = {
    "linear head": Case(head_training),
    "head with dropout and batch norm": Case(_dropout_head),
    "head, 10 classes, label smoothing": Case(_smooth_many_classes),
    "network from random weights": Case(cnn_training),
    "SGD with momentum, augmentation": Case(_augmented),
    "fine-tuned network": Case(_fine_tuned),
    "fine-tuned last block": Case(_last_block),
    "network with tanh": Case(_tanh_network),
    "10 classes from random weights": Case(_ten_classes),
    "residual network": Case(lambda: cnn_training(model=residual(), epochs=6)),
    "residual blocks that start at zero": Case(_from_zero),
}


def _diverging() -> Training:
    model = cnn()
    return cnn_training(50.0, model, optimizer=torch.optim.SGD(model.parameters(), 50.0, momentum=0.9))


def _oscillating() -> Training:
    model = nn.Sequential(nn.Linear(64, 4))
    data = {"train": features(512, noise=2), "valid": features(96, noise=2), "hyperparameters": dict(HEAD)}
    return Training(model, optimizer=torch.optim.SGD(model.parameters(), 2.0), rate=2.0, **data)


def _frozen_head() -> Training:
    training = cnn_training(hyperparameters=dict(FINE_TUNE))
    head, rest = training.model[-1], training.model[:-1]  # type: ignore[index]
    torch.nn.init.zeros_(head.weight)
    training.optimizer = torch.optim.Adam(rest.parameters(), 1e-3)
    return training


def _saturated() -> Training:
    model = cnn(activation=nn.Sigmoid)
    with torch.no_grad():
        model[2].weight.mul_(1000)  # type: ignore[index,union-attr,operator]
    return cnn_training(model=model, hyperparameters=dict(FINE_TUNE))


def _dead() -> Training:
    model = cnn()
    with torch.no_grad():
        model[2].bias.fill_(-100)  # type: ignore[index,union-attr,operator]
    return cnn_training(model=model, hyperparameters=dict(FINE_TUNE))


def _shuffled_labels() -> Training:
    training = head_training(0.02, epochs=12)
    for data in (training.train, training.valid):
        data[1].copy_(torch.randint(0, 4, data[1].shape))
    return training


def _imbalanced() -> Training:
    shares = [0.97, 0.01, 0.01, 0.01]
    return cnn_training(train=pictures(512, shares=shares), valid=pictures(96, shares=shares), epochs=4)


def _nan_picture() -> Training:
    training = head_training()
    training.train[0][17, 3] = float("nan")
    return training


def _collapsed() -> Training:
    training = cnn_training(1e-4, hyperparameters=dict(FINE_TUNE), epochs=4)
    with torch.no_grad():
        training.model[-1].bias[2] = 30.0  # type: ignore[index]
    return training


def _leaking() -> Training:
    training = head_training()
    training.valid[0][:48] = training.train[0][:48]
    training.valid[1][:48] = training.train[1][:48]
    return training


def _overtrained() -> Training:
    return head_training(0.05, train=features(64, noise=0.3), valid=features(64, noise=0.3), epochs=60)


def _badly_started() -> Training:
    model = cnn()
    with torch.no_grad():
        model[2].weight.mul_(0.001)  # type: ignore[index,union-attr,operator]
        model[2].bias.zero_()  # type: ignore[index,union-attr,operator]
    return cnn_training(model=model, epochs=4)


def _not_normalised() -> Training:
    training = cnn_training(3e-4, hyperparameters=dict(FINE_TUNE), epochs=3)
    for data in (training.train, training.valid):
        data[0].mul_(40).add_(120)
    return training


def _stalled() -> Training:
    def before_step(step: int) -> None:
        if step == 12:
            time.sleep(0.4)

    return head_training(before_step=before_step)


def _passed_over() -> Training:
    """Of class 2 every training picture has the label of class 0; valid is right."""
    training = cnn_training(train=pictures(384), valid=pictures(160), epochs=12)
    training.train[1][training.train[1] == 2] = 0
    return training


def _alike() -> Training:
    training = head_training()
    for data in (training.train, training.valid):
        data[1][data[1] == 3] = torch.randint(2, 4, (int((data[1] == 3).sum()),))
    return training


def _first_run(folder: Path) -> Mapping[str, Mapping[str, str]]:
    head_training(epochs=2).run(folder / "first")
    return {"SimilarAcrossRuns": {"other_trials": str(folder / "first")}}


NOT_LEARNING = frozenset({"LossNotDecreasing", "UnchangedTensor", "WeightUpdateRatio"})

FAULTS = {
    "learning rate 50, Adam, head": Case(
        lambda: head_training(50.0), frozenset({"LearningRateTooHigh"}), frozenset({"Overfit", "VanishingGradient"})
    ),
    "learning rate 50, SGD, network": Case(
        _diverging,
        frozenset({"LearningRateTooHigh", "DeadRelu", "AllZero", "VanishingGradient", "WeightUpdateRatio"}),
        frozenset({"ClassCollapse", "ClassImbalance", "PoorWeightInitialization", "LossNotDecreasing"}),
    ),
    "learning rate 2, SGD, noisy": Case(_oscillating, frozenset({"LearningRateTooHigh"}), frozenset({"Overfit"})),
    "learning rate 1e-9": Case(
        lambda: head_training(1e-9),
        frozenset({"LossNotDecreasing", "UnchangedTensor"}),
        frozenset({"WeightUpdateRatio", "ClassImbalance", "ClassCollapse"}),
    ),
    "frozen head": Case(
        _frozen_head,
        NOT_LEARNING | {"VanishingGradient"},
        frozenset({"ClassImbalance", "ClassCollapse"}),
    ),
    "saturated sigmoid": Case(_saturated, frozenset({"SaturatedActivation"})),
    "dead network": Case(
        _dead,
        NOT_LEARNING | {"DeadRelu", "AllZero", "VanishingGradient", "ClassCollapse"},
    ),
    "shuffled labels": Case(_shuffled_labels, frozenset({"Overfit"})),
    "classes 97:1:1:1": Case(_imbalanced, frozenset({"ClassImbalance"})),
    "class never recognised": Case(_passed_over, frozenset({"ClassImbalance"}), frozenset({"Overfit"})),
    "NaN in a picture": Case(
        _nan_picture,
        frozenset({"NotANumber", "ExplodingTensor", "LossNotDecreasing"}),
        frozenset({"ClassCollapse", "ClassImbalance"}),
    ),
    "one class predicted": Case(
        _collapsed, frozenset({"ClassCollapse"}), frozenset({"ClassImbalance", "LossNotDecreasing"})
    ),
    "validation pictures in training": Case(_leaking, frozenset({"LeakageSuspicion"})),
    "trained far too long": Case(_overtrained, frozenset({"Overtraining"})),
    "badly started layer": Case(_badly_started, frozenset({"PoorWeightInitialization"})),
    "pictures not normalised": Case(_not_normalised, frozenset({"CheckInputImages"}), frozenset({"ClassImbalance"})),
    "stalled loader": Case(
        _stalled, frozenset({"StalledTrainingRule"}), extra={"StalledTrainingRule": {"threshold": "0.3"}}
    ),
    "trial run twice": Case(lambda: head_training(epochs=2), frozenset({"SimilarAcrossRuns"}), before=_first_run),
    "spread of weights": Case(
        head_training,
        frozenset({"TensorVariance"}),
        extra={"TensorVariance": {"collection_names": "weights", "max_threshold": "1e-4"}},
    ),
    "two classes alike": Case(
        _alike, frozenset({"Confusion"}), extra={"Confusion": {"labels": "_input_1$", "predictions": "Loss_input_0$"}}
    ),
}


def main() -> int:
    """Print the matrix; returns 1 if a case did not fire exactly what it should."""
    names = [name for name in RULES]
    print("| training | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    wrong = 0
    for title, case in {**HEALTHY, **FAULTS}.items():
        with tempfile.TemporaryDirectory() as folder:
            found = fired(case, Path(folder))
        fits = case.fires <= found <= case.fires | case.may
        wrong += not fits
        print(f"| {title} | " + " | ".join("●" if name in found else "" for name in names) + " |", flush=True)
        if not fits:
            print(f"  {title}: expected {sorted(case.fires)}, found {sorted(found)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
