"""What goes into the model: the order of batches, the scale of numbers, how loaders are set up, what splits share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..code_site import NOWHERE, Site
from ..session import Check, Session
from ..state import BATCH_NORMS, Loader, Model, is_plain

TIMES = 3
RAW = 30.0
"""Inputs of a first layer as large as this were not scaled: normalised pictures stay below 5."""
ROWS, FEW_ROWS, MANY_NUMBERS = 64, 16, 20_000
"""Evaluated rows from which on their scale is judged: 64, or fewer of many numbers each."""
RANDOM_NAMES = ("Random", "ColorJitter", "AutoAugment", "TrivialAugment", "AugMix", "ElasticTransform", "GaussianNoise")
_FIRST_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


class BatchOrder(Check):
    """Batches differ, their inputs differ, and training data comes in another order every time."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._last: bytes = b""
        self._same = self._alike = 0
        self._starts: dict[int, bytes] = {}

    def before_backward(self, root: Tensor) -> None:
        """Look at the inputs that are being trained on."""
        session, inputs = self.session, self.session.inputs
        if not session.watching or inputs is None:
            return
        rows = session.rows()
        if rows:
            self._same_again(inputs, b"".join(rows))
            self._all_alike(inputs, rows)
        loader = session.loader
        if loader is not None and loader.trained >= 4 and loader.sampler == "SequentialSampler":
            if loader.length is None or loader.length >= 2:
                self.found(
                    "ShuffleOff",
                    "The training data is not shuffled: it comes in the same order in every epoch.",
                    f"The DataLoader that is trained on has a SequentialSampler and {loader.length} batches.",
                    "Give the training DataLoader shuffle=True.",
                    loader.made,
                )
        elif loader is not None and loader.trained >= 4:
            self.looked("ShuffleOff")

    def _same_again(self, inputs: Tensor, batch: bytes) -> None:
        loader = self.session.loader
        whole = inputs._base is None or inputs._base.shape[:1] == inputs.shape[:1]
        # One batch that is all there is may come again and again: that is gradient descent on the whole.
        several = (loader.length or 2) > 1 if loader is not None else not whole
        self._same = self._same + 1 if batch == self._last and several else 0
        self._last = batch
        if self._same < TIMES:
            self.looked("SameBatchAgain")
            return
        self.found(
            "SameBatchAgain",
            "Every step trains on the same batch.",
            f"The inputs of {self._same + 1} steps in a row were the same.",
            "Take the next batch in every step: for batch in loader, not next(iter(loader)).",
            loader_site(loader, self.session.sites.get("forward", NOWHERE)),
        )

    def _all_alike(self, inputs: Tensor, rows: list[bytes]) -> None:
        if len(rows) < 4:
            return
        self._alike = self._alike + 1 if len(set(rows)) == 1 else 0
        if self._alike < 2:
            self.looked("InputsAlike")
            return
        self.found(
            "InputsAlike",
            "All inputs of a batch are the same: the network cannot tell them apart.",
            f"In {self._alike} batches in a row all {len(rows)} inputs that were looked at were equal.",
            "Look at what the dataset returns for different numbers.",
            loader_site(self.session.loader, self.session.sites.get("forward", NOWHERE)),
        )


class Scaling(Check):
    """Numbers come in on the scale that the first layer expects, in training and in evaluation alike."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._handles: list[Any] = []
        self._done: set[int] = set()
        self._raw = 0
        self._first_input: Tensor | None = None
        self._backbone: tuple[str, float] | None = None
        self._met_layer = self._met_norm = False
        self._train: list[tuple[float, float, int, int]] = []
        self._valid: list[tuple[float, float, int, int]] = []

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Listen to the first layers in a few of the first steps."""
        grad = self.session.grad
        if inputs is not None and inputs.is_floating_point() and inputs.ndim >= 2 and self._counts(grad):
            numbers = inputs.detach()[:64].float()
            seen = (float(numbers.mean()), float(numbers.std()), len(numbers), numbers.numel())
            (self._train if grad else self._valid).append(seen)
            self._compare()
        if grad and self.session.step in (0, 1, 2, 5) and not self.session.is_compiled(model):
            self._listen(model)

    def after_forward(self, model: Model, inputs: Tensor | None, outputs: Any) -> None:
        """Stop listening, and judge what was heard."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        value, self._first_input = self._first_input, None
        if value is not None:
            self._judge(model, value)
        if self._backbone is not None:
            (name, ratio), self._backbone = self._backbone, None
            if 0.1 < ratio < 10:
                self.looked("NormalisationDiffers")
            else:
                self._unlike_backbone(name, ratio)

    def _listen(self, model: Model) -> None:
        self.session.called.clear()
        self._met_layer = self._met_norm = False
        for name, module in model.inner.named_modules():
            if next(module.children(), None) is None:
                self._handles.append(module.register_forward_pre_hook(self._heard(name, module)))

    def _heard(self, name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
            try:
                self.session.called.add(name)
                value = args[0] if args and isinstance(args[0], Tensor) else None
                if value is None or not value.is_floating_point():
                    return
                if isinstance(module, _FIRST_LAYERS) and not self._met_layer:
                    self._first_input = value.detach()
                if isinstance(module, (*_FIRST_LAYERS, nn.Embedding, *BATCH_NORMS, nn.LayerNorm)):
                    self._met_layer = True
                if isinstance(module, BATCH_NORMS) and not self._met_norm:
                    self._met_norm = True
                    self._compare_with_statistics(name, module, value)
            except Exception as error:
                self.session.findings.broken(self, "listening", error)

        return hook

    def _compare_with_statistics(self, name: str, module: nn.Module, value: Tensor) -> None:
        """Hold what comes into a trained batch normalisation against what it saw when it was trained."""
        known = getattr(module, "num_batches_tracked", None)
        if self.session.step or known is None or int(known) < 50 or value.ndim < 2:
            return
        axes = [axis for axis in range(value.ndim) if axis != 1]
        spread = value.detach().float().var(dim=axes)
        assert isinstance(module.running_var, Tensor)
        self._backbone = (name, float((spread / module.running_var.clamp(min=1e-12)).median()))

    def _judge(self, model: Model, value: Tensor) -> None:
        numbers = value[:32].float()
        low, high = float(numbers.min()), float(numbers.max())
        raw = high > RAW and low >= 0 and float(numbers.mean()) > 3 if value.ndim >= 4 else high > 1e3 or low < -1e3
        self._raw = self._raw + 1 if raw else 0
        if self._raw < 2:
            self.looked("InputsNotScaled")
            return
        range_text = f"from {low:.3g} to {high:.3g}"
        pictures = value.ndim >= 4
        self.found(
            "InputsNotScaled",
            f"The inputs are not scaled: the first layer gets {'pixels' if pictures else 'numbers'} {range_text}.",
            f"In {self._raw} batches the numbers went {range_text}; networks expect them around 0, a few units wide.",
            "Divide pixels by 255 and normalise them by mean and standard deviation."
            if pictures
            else "Subtract the mean and divide by the standard deviation of each feature.",
            loader_site(self.session.loader, self.session.sites.get("forward", NOWHERE)),
            [(self.session.step, high, RAW)],
        )

    def _unlike_backbone(self, name: str, ratio: float) -> None:
        how = "wider" if ratio > 1 else "narrower"
        self.found(
            "NormalisationDiffers",
            "The inputs are not normalised the way the pretrained backbone was trained with.",
            f"What reaches {name} varies {ratio:.3g} times as much as in its training: inputs are much {how}.",
            "Use the preprocessing that belongs to the weights: their mean and standard deviation.",
            loader_site(self.session.loader, self.session.sites.get("forward", NOWHERE)),
            [(self.session.step, ratio, None)],
        )

    def _counts(self, grad: bool) -> bool:
        """Whether this batch is one to take numbers of: the first of training, and the first of evaluations."""
        if grad:
            return len(self._train) < 8 and self.session.watching
        return len(self._valid) < 8 and len(self._train) >= 3

    def _compare(self) -> None:
        rows, count = (sum(item[at] for item in self._valid) for at in (2, 3))
        if len(self._train) < 3 or not (rows >= ROWS or (rows >= FEW_ROWS and count >= MANY_NUMBERS)):
            return
        mean, spread = (sum(item[at] for item in self._train) / len(self._train) for at in (0, 1))
        other_mean, other_spread = (sum(item[at] for item in self._valid) / len(self._valid) for at in (0, 1))
        widest = max(spread, other_spread, 1e-9)
        ratio = widest / max(1e-9, min(spread, other_spread))
        if ratio < 2 and abs(mean - other_mean) < 0.75 * widest:
            self.looked("NormalisationDiffers")
            return
        self.found(
            "NormalisationDiffers",
            "The inputs of evaluations are on another scale than those of training.",
            f"In training they are {mean:.3g} on average with a spread of {spread:.3g}, in evaluation {other_mean:.3g} "
            f"and {other_spread:.3g}.",
            "Normalise both splits by the same mean and standard deviation.",
            loader_site(self.session.loader, self.session.sites.get("forward", NOWHERE)),
        )


class Loaders(Check):
    """Training and validation differ in augmentation alone: not in normalisation, nor in the order of classes."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._judged: set[int] = set()
        self._first: dict[int, bytes] = {}

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Judge an evaluation's loader in its second batch, and its first batch against the one of the pass before."""
        loader = self.session.loader
        if self.session.grad or loader is None or loader.trains or not self.session.watching_evaluation():
            return
        if loader.in_pass == 1 and loader.sampler == "SequentialSampler":
            self._stays_the_same(loader)
        training = next((item for item in self.session.loaders if item.trains and item.dataset is not None), None)
        if training is None or id(loader) in self._judged or loader.dataset is None:
            return
        self._judged.add(id(loader))
        self._augmented(loader)
        self._normalised(training, loader)
        self._classes(training, loader)

    def _stays_the_same(self, loader: Loader) -> None:
        rows = b"".join(self.session.rows() or ())
        before = self._first.setdefault(id(loader), rows)
        if rows and before and rows != before:
            self._is_augmented(loader, "The same validation pictures looked otherwise in the pass before.")

    def _augmented(self, loader: Loader) -> None:
        names = [type(item).__name__ for item in transforms_of(loader.dataset)]
        random = [name for name in names if name.startswith(RANDOM_NAMES)]
        if random:
            self._is_augmented(loader, f"Its transforms have {', '.join(random)}.")
        else:
            self.looked("AugmentedValidation")

    def _is_augmented(self, loader: Loader, details: str) -> None:
        self.found(
            "AugmentedValidation",
            "The validation data is augmented at random: its results are worse than the model and change every time.",
            details,
            "Give validation a dataset of its own whose transforms only resize, crop and normalise.",
            loader.made,
        )

    def _normalised(self, training: Loader, loader: Loader) -> None:
        ours, theirs = _normalise(training.dataset), _normalise(loader.dataset)
        if ours is None or theirs is None:
            return
        if ours == theirs:
            self.looked("NormalisationDiffers")
            return
        self.found(
            "NormalisationDiffers",
            "Training and validation are normalised by different numbers.",
            f"Training: {_numbers(ours)}. Validation: {_numbers(theirs)}.",
            "Use the same Normalize for both.",
            loader.made,
        )

    def _classes(self, training: Loader, loader: Loader) -> None:
        ours, theirs = classes_of(training.dataset), classes_of(loader.dataset)
        if not ours or not theirs:
            return
        if ours == theirs:
            self.looked("ClassOrderShifts")
            return
        at = next(
            (at for at, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
            min(len(ours), len(theirs)),
        )
        first = f"class {at} is {_at(ours, at)} in training and {_at(theirs, at)} in validation"
        self.found(
            "ClassOrderShifts",
            "Training and validation number the classes differently: right answers count as wrong.",
            f"{first[0].upper()}{first[1:]}; there are {len(ours)} and {len(theirs)} classes.",
            "Use one list of classes for all splits.",
            loader.made,
        )


class Leaks(Check):
    """No input is both trained on and validated with."""

    always = frozenset({"before_backward"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._trained: set[bytes] = set()
        self._evaluated: dict[int, set[bytes]] = {}
        self._loaders: dict[int, Loader | None] = {}

    def before_backward(self, root: Tensor) -> None:
        """Remember the inputs of training; after an evaluation, judge what it had."""
        if self._evaluated:
            self._judge()
        if self.session.watching and len(self._trained) < 50_000:
            self._trained.update(self._telling())

    def after_forward(self, model: Model, inputs: Tensor | None, outputs: Any) -> None:
        """Remember the inputs of evaluations."""
        loader = self.session.loader
        if self.session.grad or not self.session.watching_evaluation() or (loader is not None and loader.trains):
            return
        if model.trained:
            self._loaders[id(loader)] = loader
            self._evaluated.setdefault(id(loader), set()).update(self._telling())

    def _telling(self) -> set[bytes]:
        return {row for row in self.session.rows() or () if not is_plain(row)}

    def ended(self) -> None:
        """Judge the last evaluation."""
        if self._evaluated:
            self._judge()

    def _judge(self) -> None:
        evaluated, self._evaluated = self._evaluated, {}
        loaders, self._loaders = self._loaders, {}
        training = [item for item in self.session.loaders if item.trains]
        shares = []
        for key, rows in evaluated.items():
            by_index = _shared_by_index(training, loaders[key])
            same = len(rows & self._trained)
            by_value = same / len(rows) if len(rows) >= 4 and same >= 3 else 0.0
            shares.append((max(by_index, by_value), loaders[key]))
        # Who evaluates on training data beside validation data wants to know both.
        if not shares or not all(share > 0.05 for share, _ in shares):
            self.looked("SplitsShareInputs")
            return
        share, loader = max(shares, key=lambda item: item[0])
        self.found(
            "SplitsShareInputs",
            "Validation has inputs that are trained on, so its results are too good.",
            f"{100 * share:.0f} % of the validation inputs that were looked at are among those of training.",
            "Split by index or file before making the datasets, and keep copies on one side.",
            loader_site(loader, self.session.sites.get("forward", NOWHERE)),
        )


def loader_site(loader: Loader | None, otherwise: Site) -> Site:
    """Return where a loader was made, as far as that is known."""
    return loader.made if loader is not None and loader.made.file else otherwise


def classes_of(dataset: Any) -> list[str]:
    """Return the class names of a dataset in the order of their numbers, empty where it does not say."""
    for inner in _unwrapped(dataset):
        index = getattr(inner, "class_to_idx", None)
        if isinstance(index, dict) and index and all(isinstance(value, int) for value in index.values()):
            return [str(name) for name, _ in sorted(index.items(), key=lambda item: item[1])]
    for inner in _unwrapped(dataset):
        names = getattr(inner, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return list(names)
    return []


def transforms_of(dataset: Any) -> Iterator[Any]:
    """Yield the transforms of a dataset, those inside of others too."""
    for inner in _unwrapped(dataset):
        for name in ("transform", "transforms", "tf", "augment", "augmentation", "preprocess"):
            value = getattr(inner, name, None)
            if value is not None and not isinstance(value, str | bool | int | float):
                yield from _flat(value, 0)


def _flat(value: Any, depth: int) -> Iterator[Any]:
    if depth > 4:
        return
    if isinstance(value, list | tuple | nn.Sequential | nn.ModuleList):
        for item in value:
            yield from _flat(item, depth + 1)
        return
    yield value
    for name in ("transforms", "transform"):
        inside = getattr(value, name, None)
        if inside is not None and not callable(getattr(inside, "__func__", None)):
            yield from _flat(inside, depth + 1)


def _unwrapped(dataset: Any) -> Iterator[Any]:
    for _ in range(6):
        if dataset is None:
            return
        yield dataset
        parts = getattr(dataset, "datasets", None)
        dataset = parts[0] if isinstance(parts, list | tuple) and parts else getattr(dataset, "dataset", None)


def _normalise(dataset: Any) -> tuple[list[float], list[float]] | None:
    for item in transforms_of(dataset):
        if type(item).__name__ == "Normalize" and hasattr(item, "mean") and hasattr(item, "std"):
            return [float(value) for value in item.mean], [float(value) for value in item.std]
    return None


def _numbers(values: tuple[list[float], list[float]]) -> str:
    return f"mean {[round(value, 3) for value in values[0]]}, std {[round(value, 3) for value in values[1]]}"


def _at(names: Sequence[str], at: int) -> str:
    return names[at] if at < len(names) else "none"


def _shared_by_index(training: Sequence[Loader], loader: Loader | None) -> float:
    """Return the share of a loader's items that are among those of training, by their numbers in the same dataset."""
    if loader is None or loader.dataset is None:
        return 0.0
    root, items = _items(loader.dataset)
    for other in training:
        if other.dataset is None:
            continue
        other_root, other_items = _items(other.dataset)
        if root is other_root:
            if items is None or other_items is None:
                return 1.0 if items is None else float(other_items is None)
            return len(items & other_items) / max(1, len(items))
    return 0.0


def _items(dataset: Any) -> tuple[Any, set[int] | None]:
    """Return the dataset behind subsets, and the numbers that are taken of it; None for all."""
    items: list[int] | None = None
    while isinstance(dataset, torch.utils.data.Subset):
        here = [int(at) for at in dataset.indices]
        items = here if items is None else [here[at] for at in items]
        dataset = dataset.dataset
    return dataset, None if items is None else set(items)
