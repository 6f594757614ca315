"""What goes into the loss: logits or probabilities, their shapes, and whether the labels fit the outputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..check_base import Check
from ..session import Session
from ..state import Loss, is_plain

TIMES = 2
_PASSING = ("ToCopy", "View", "Clone", "Squeeze", "Unsqueeze", "Reshape", "Alias", "Contiguous", "Select", "Permute")
_UNEQUAL = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


class LossInputs(Check):
    """A loss gets what it wants: logits where it wants logits, log-probabilities where it wants those, equal shapes."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._counts: dict[str, int] = {}
        self._first = 0

    def computed(self, loss: Loss) -> None:
        """Look at the first losses closely, and at some later ones."""
        if not loss.trains or not (self.session.step < 8 or self.session.pace.heavy):
            return
        if loss.kind in _UNEQUAL:
            self._shapes(loss)
        elif loss.kind == "cross_entropy":
            self._cross_entropy(loss)
        elif loss.kind == "nll_loss":
            self._nll(loss)
        elif loss.kind in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
            self._shares(loss)
            if loss.kind == "binary_cross_entropy_with_logits":
                self._binary(loss)

    def _shapes(self, loss: Loss) -> None:
        ours, theirs = tuple(loss.inputs.shape), tuple(loss.targets.shape)
        if ours == theirs:
            self.looked("LossShapesDiffer")
            return
        if self._again("shapes"):
            self.found(
                "LossShapesDiffer",
                f"The loss compares every output with every target: outputs are {ours}, targets {theirs}.",
                f"{loss.kind} stretches the two shapes until they fit, which is hardly what was meant.",
                "Give both the same shape, for instance with outputs.squeeze(1) or targets.unsqueeze(1).",
                loss.site,
            )

    def _cross_entropy(self, loss: Loss) -> None:
        made_by = _maker(loss.inputs)
        bad = made_by in ("Softmax", "Sigmoid")
        if not bad and made_by != "LogSoftmax" and loss.inputs.ndim == 2 and loss.inputs.shape[1] > 1:
            bad = _are_probabilities(loss.inputs)
        if not bad:
            self.looked("SoftmaxBeforeLoss")
        elif self._again("softmax"):
            what = "sigmoid" if made_by == "Sigmoid" else "softmax"
            self.found(
                "SoftmaxBeforeLoss",
                f"{what.capitalize()} is applied before cross-entropy, which applies softmax itself.",
                f"The inputs of cross_entropy are probabilities, from {float(loss.inputs.min()):.3g} to "
                f"{float(loss.inputs.max()):.3g}: the loss cannot come near 0.",
                f"Give cross-entropy the logits, without {what}.",
                loss.site,
            )

    def _nll(self, loss: Loss) -> None:
        made_by = _maker(loss.inputs)
        if made_by == "LogSoftmax" or (loss.inputs.ndim >= 2 and _are_log_probabilities(loss.inputs)):
            self.looked("SoftmaxBeforeLoss")
        elif self._again("nll"):
            given = "probabilities" if made_by == "Softmax" or _are_probabilities(loss.inputs) else "logits"
            self.found(
                "SoftmaxBeforeLoss",
                f"nll_loss wants log-probabilities and gets {given}.",
                f"Its inputs go from {float(loss.inputs.min()):.3g} to {float(loss.inputs.max()):.3g} and are not the "
                "logarithms of probabilities that add up to 1.",
                "Apply log_softmax before it, or use cross_entropy on the logits.",
                loss.site,
            )

    def _shares(self, loss: Loss) -> None:
        if not loss.targets.numel():
            return
        low, high = (float(value) for value in torch.aminmax(loss.targets.detach()))
        # Labels somewhat beyond 0 and 1 are a known trick with GANs.
        if low >= -0.5 and high <= 1.5:
            self.looked("OutputsUnlikeLabels")
        elif self._again("shares"):
            self.found(
                "OutputsUnlikeLabels",
                f"The targets of {loss.kind} go from {low:.3g} to {high:.3g} and should be between 0 and 1.",
                "Of other targets this loss has no least value: it falls for ever.",
                "Divide masks and pixels by 255, or write labels as 0 and 1.",
                loss.site,
                [(self.session.step, high, 1.0)],
            )

    def _binary(self, loss: Loss) -> None:
        if _maker(loss.inputs) not in ("Sigmoid", "Softmax"):
            self.looked("SoftmaxBeforeLoss")
        elif self._again("binary"):
            self.found(
                "SoftmaxBeforeLoss",
                "Sigmoid is applied before binary_cross_entropy_with_logits, which applies sigmoid itself.",
                f"Its inputs go from {float(loss.inputs.min()):.3g} to {float(loss.inputs.max()):.3g}.",
                "Give it the logits, without sigmoid, or use binary_cross_entropy.",
                loss.site,
            )

    def _again(self, what: str) -> bool:
        self._counts[what] = self._counts.get(what, 0) + 1
        return self._counts[what] >= TIMES


class Labels(Check):
    """There is one output for each class, every class has labels, and a batch has more than one of them."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._counts: Tensor | None = None
        self._classes = self._seen = 0
        self._one_class = self._batches = 0
        self._pictures: dict[bytes, int] = {}
        self._contradictions = self._repeated = 0

    def computed(self, loss: Loss) -> None:
        """Count the labels of training batches."""
        if not loss.trains or not loss.classifies or not self.session.pace.watching:
            return
        labels = loss.targets.reshape(-1)
        classes = int(loss.inputs.shape[1])
        labels = labels[(labels >= 0) & (labels < classes)]
        if not labels.numel():
            return
        if self._counts is None or self._classes != classes:
            self._counts, self._classes, self._seen = torch.zeros(classes, dtype=torch.long), classes, 0
            self._one_class = self._batches = 0
        # One transfer of small numbers, in steps that are looked at only.
        counts = torch.bincount(labels, minlength=classes).cpu()
        self._counts += counts
        self._seen += int(labels.numel())
        self._batches += 1
        self._one_class += bool(labels.numel() >= 4 and int((counts > 0).sum()) == 1 and loss.targets.ndim == 1)
        self._fit(loss, classes)
        self._sorted(loss, classes)
        self._contradict(loss)

    def _fit(self, loss: Loss, classes: int) -> None:
        assert self._counts is not None
        present = self._counts.nonzero().reshape(-1)
        used = int(present.max()) + 1
        known = self.session.loaders.class_names()
        if known and classes > len(known) and self._batches >= 2:
            self._unlike(loss, classes, f"{len(known)} classes", "the dataset names no more")
        elif not known and self._seen >= max(100, 12 * used) and used <= classes // 2 and self._batches >= 6:
            self._unlike(loss, classes, f"labels from 0 to {used - 1} only", f"{self._seen} labels were seen")
        elif classes > 2 and self._seen >= max(60, 20 * classes) and int(present.min()) > 0 and used == classes:
            self.found(
                "OutputsUnlikeLabels",
                "No label is ever 0: the labels are shifted, so that one output is never asked for.",
                f"{self._seen} labels go from {int(present.min())} to {used - 1}, the outputs from 0 to {classes - 1}.",
                "Number the classes from 0 on.",
                loss.site,
            )
        else:
            self.looked("OutputsUnlikeLabels")

    def _unlike(self, loss: Loss, classes: int, what: str, seen: str) -> None:
        self.found(
            "OutputsUnlikeLabels",
            f"The network has {classes} outputs for {what}: its last layer was not made for these classes.",
            f"{seen[0].upper()}{seen[1:]}.",
            "Replace the last layer by one with an output for each class.",
            loss.site,
        )

    def _sorted(self, loss: Loss, classes: int) -> None:
        loader = self.session.loaders.current
        ordered = loader is None or loader.sampler == "SequentialSampler" or not loader.sampler
        if classes < 2 or not ordered or self._one_class < 5 or self._one_class < 0.7 * self._batches:
            return
        self.found(
            "ShuffleOff",
            "The training data comes sorted by class: every batch has one class only. It is not shuffled.",
            f"{self._one_class} of {self._batches} batches had labels of a single class.",
            "Shuffle the training data: DataLoader(..., shuffle=True), or a random permutation in every epoch.",
            loader.made if loader is not None and loader.made.file else loss.site,
        )

    def _contradict(self, loss: Loss) -> None:
        """Find the same input with another label than before, by what it looks like."""
        rows = self.session.rows()
        if rows is None or loss.targets.ndim != 1 or len(rows) > len(loss.targets) or len(self._pictures) > 20_000:
            return
        for row, label in zip(rows, loss.targets[: len(rows)].tolist(), strict=False):
            if is_plain(row):
                continue
            before = self._pictures.setdefault(row, label)
            if before != label:
                self._contradictions += 1
            else:
                self._repeated += 1
        if self._contradictions >= 8 and self._contradictions > 0.3 * (self._repeated - len(self._pictures)):
            self.found(
                "LabelsContradict",
                "The same inputs come back with other labels: labels and inputs are not kept together.",
                f"{self._contradictions} inputs that were seen before had another label this time.",
                "Shuffle inputs and labels by the same order, and make the labels once.",
                loss.site,
            )
        else:
            self.looked("LabelsContradict")


def _maker(value: Tensor) -> str:
    """Return Softmax, LogSoftmax, Sigmoid or another operation that made a tensor, past what only passes it on."""
    node = value.grad_fn
    for _ in range(4):
        if node is None:
            return ""
        name = node.name().removesuffix("0").removesuffix("Backward")
        if not any(part in name for part in _PASSING):
            return name.lstrip("_")
        node = node.next_functions[0][0] if node.next_functions else None
    return ""


def _are_probabilities(values: Tensor) -> bool:
    rows = values.detach()[:64].float()
    sums = rows.sum(dim=1)
    inside = bool((rows >= 0).all()) and bool((rows <= 1).all())
    return inside and bool(((sums - 1).abs() < 1e-2).all()) and float(rows.std()) > 0


def _are_log_probabilities(values: Tensor) -> bool:
    sums = values.detach()[:64].float().exp().sum(dim=1)
    return bool(((sums - 1).abs() < 2e-2).all())
