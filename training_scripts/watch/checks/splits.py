"""Training and validation: set up alike but for augmentation, and nothing in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..check_base import Check
from ..code_site import NOWHERE
from ..session import Session
from ..state import Loader, Model, is_plain
from .datasets import classes_of, items_of, loader_site, normalisation_of, transforms_of

RANDOM_NAMES = ("Random", "ColorJitter", "AutoAugment", "TrivialAugment", "AugMix", "ElasticTransform", "GaussianNoise")


class Loaders(Check):
    """Training and validation differ in augmentation alone: not in normalisation, nor in the order of classes."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._judged: set[int] = set()
        self._first: dict[int, bytes] = {}

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Judge an evaluation's loader in its second batch, and its first batch against the one of the pass before."""
        loader = self.session.loaders.current
        if self.session.grad or loader is None or loader.trains or not self.session.pace.watches_evaluation():
            return
        if loader.in_pass == 1 and loader.sampler == "SequentialSampler":
            self._stays_the_same(loader)
        training = next((item for item in self.session.loaders.all if item.trains and item.dataset is not None), None)
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
        ours, theirs = normalisation_of(training.dataset), normalisation_of(loader.dataset)
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
        loss, inputs = self.session.loss, self.session.inputs
        # Where a loss is of some rows alone (nodes of a graph), the others are looked at and not trained on.
        partly = loss is not None and inputs is not None and loss.targets.ndim == 1 and len(loss.targets) < len(inputs)
        if self.session.pace.watching and not partly and len(self._trained) < 50_000:
            self._trained.update(self._telling())

    def after_forward(self, model: Model, inputs: Tensor | None, outputs: Any) -> None:
        """Remember the inputs of evaluations."""
        loader = self.session.loaders.current
        if self.session.grad or not self.session.pace.watches_evaluation() or (loader is not None and loader.trains):
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
        # There may be a loader for each epoch, of the same dataset.
        known = [item.picked for item in self.session.loaders.all if item.trains]
        datasets = {id(item): item for item in known if item is not None}
        shares = []
        for key, rows in evaluated.items():
            by_index = _shared_by_index(list(datasets.values()), loaders[key])
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


def _numbers(values: tuple[list[float], list[float]]) -> str:
    return f"mean {[round(value, 3) for value in values[0]]}, std {[round(value, 3) for value in values[1]]}"


def _at(names: Sequence[str], at: int) -> str:
    return names[at] if at < len(names) else "none"


def _shared_by_index(training: Sequence[Any], loader: Loader | None) -> float:
    """Return the share of a loader's items that are among those of training, by their numbers in the same dataset."""
    picked = None if loader is None else loader.picked
    if picked is None:
        return 0.0
    root, items = items_of(picked)
    for other in training:
        other_root, other_items = items_of(other)
        if root is other_root:
            if items is None or other_items is None:
                return 1.0 if items is None else float(other_items is None)
            return len(items & other_items) / max(1, len(items))
    return 0.0
