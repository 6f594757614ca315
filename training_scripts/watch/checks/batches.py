"""What goes into the model: the order of batches, and the scale of their numbers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..check_base import Check
from ..code_site import NOWHERE
from ..session import Session
from ..state import BATCH_NORMS, Model
from .datasets import loader_site

TIMES = 3
RAW = 30.0
"""Inputs of a first layer as large as this were not scaled: normalised pictures stay below 5."""
ROWS, FEW_ROWS, MANY_NUMBERS = 64, 16, 20_000
"""Evaluated rows from which on their scale is judged: 64, or fewer of many numbers each."""
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
        if not session.pace.watching or inputs is None:
            return
        rows = session.rows()
        if rows:
            self._same_again(inputs, b"".join(rows))
            self._all_alike(inputs, rows)
        loader = session.loaders.current
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
        loader = self.session.loaders.current
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
            loader_site(self.session.loaders.current, self.session.sites.get("forward", NOWHERE)),
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
        # Of the module that is trained as a whole: one that generates is asked in parts as well, with other numbers.
        self._whole: Model | None = None
        self._train: list[tuple[float, float, int, int]] = []
        self._valid: list[tuple[float, float, int, int]] = []

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Listen to the first layers in a few of the first steps."""
        grad = self.session.grad
        if inputs is not None and inputs.is_floating_point() and inputs.ndim >= 2 and self._counts(model, grad):
            numbers = inputs.detach()[:64].float()
            seen = (float(numbers.mean()), float(numbers.std()), len(numbers), numbers.numel())
            (self._train if grad else self._valid).append(seen)
            self._compare()
        if grad and self.session.step in (0, 1, 2, 5) and not model.is_compiled:
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
            loader_site(self.session.loaders.current, self.session.sites.get("forward", NOWHERE)),
            [(self.session.step, high, RAW)],
        )

    def _unlike_backbone(self, name: str, ratio: float) -> None:
        how = "wider" if ratio > 1 else "narrower"
        self.found(
            "NormalisationDiffers",
            "The inputs are not normalised the way the pretrained backbone was trained with.",
            f"What reaches {name} varies {ratio:.3g} times as much as in its training: inputs are much {how}.",
            "Use the preprocessing that belongs to the weights: their mean and standard deviation.",
            loader_site(self.session.loaders.current, self.session.sites.get("forward", NOWHERE)),
            [(self.session.step, ratio, None)],
        )

    def _counts(self, model: Model, grad: bool) -> bool:
        """Whether this batch is one to take numbers of: the first of training, and the first of evaluations."""
        if grad and self._whole is None:
            self._whole = model
        if model is not self._whole:
            return False
        if grad:
            return len(self._train) < 8 and self.session.pace.watching
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
            loader_site(self.session.loaders.current, self.session.sites.get("forward", NOWHERE)),
        )
