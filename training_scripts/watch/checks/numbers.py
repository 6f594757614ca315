"""What shows in the numbers: NaN and where it came from, overflow, and a loss that stays where guessing puts it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..check_base import Check
from ..code_site import NOWHERE
from ..session import Session
from ..state import Loss, Model
from .guess import count_labels, guess_of

_GPU_STEPS = 20
SKIPS = 10
JUDGED_FROM, BATCHES, LABELS = 150, 10, 250


class NotFinite(Check):
    """A loss that is NaN or Inf has a source: a picture, a parameter that a step has thrown away, or a layer."""

    always = frozenset({"computed"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._flag: Tensor | None = None
        self._waits_until = 0
        self._done = False
        self._call: tuple[Model, Any, Any] | None = None

    def computed(self, loss: Loss) -> None:
        """Look at a loss at once on the CPU; on a device now and then, for it would have to be waited for."""
        if self._done or not loss.trains or loss.value.numel() != 1:
            return
        if loss.value.device.type == "cpu":
            bad = not math.isfinite(loss.value.item())
        else:
            finite = torch.isfinite(loss.value.detach())
            self._flag = finite if self._flag is None else self._flag & finite
            if 3 < self.session.step < self._waits_until:
                return
            self._waits_until, bad = self.session.step + _GPU_STEPS, not bool(self._flag)
        if bad:
            self._done = True
            self._explain(loss)
        elif self.session.pace.watching:
            self.looked("NaNSource")

    def _explain(self, loss: Loss) -> None:
        session = self.session
        inputs, model = session.inputs, session.model
        if inputs is not None and inputs.is_floating_point() and not bool(torch.isfinite(inputs).all()):
            rows = (~torch.isfinite(inputs.flatten(1))).any(dim=1).nonzero().reshape(-1).tolist()
            which = ", ".join(str(row) for row in rows[:4])
            self._say(
                loss,
                f"The inputs hold NaN or Inf: {'pictures' if inputs.ndim == 4 else 'rows'} {which} of the batch.",
                f"{len(rows)} of {len(inputs)} inputs of step {session.step} are not finite{self._batch_number()}.",
                "Find the damaged items in the dataset, and divide by no standard deviation of 0.",
            )
            return
        if loss.targets.is_floating_point() and not bool(torch.isfinite(loss.targets).all()):
            self._say(loss, "The targets hold NaN or Inf.", f"In step {session.step}.", "Look at the labels' source.")
            return
        if model is not None:
            thrown = [
                name
                for name, item in model.inner.named_parameters()
                if item.is_floating_point() and not bool(torch.isfinite(item).all())
            ]
            if thrown:
                optimizer = session.optimizers.main
                rate = f" of {optimizer.rates[-1]:g}" if optimizer is not None and optimizer.rates else ""
                self._say(
                    loss,
                    f"A step has thrown parameters to NaN or Inf, {thrown[0]} first: gradients were too large.",
                    f"{len(thrown)} parameters are not finite at step {session.step}; the inputs are.",
                    f"Lower the learning rate{rate} tenfold, or clip gradients.",
                    thrown,
                )
                return
            layer = self._layer(model)
            if layer:
                self._say(
                    loss,
                    f"The layer {layer} makes NaN or Inf of finite numbers.",
                    f"At step {session.step} its inputs and all parameters are finite, and its outputs are not.",
                    "Look for a logarithm, root or division there, and add a small number inside.",
                    [layer],
                )
                return
        self._say(
            loss,
            f"The loss itself becomes NaN or Inf: {loss.kind} of finite outputs.",
            f"At step {session.step} inputs, parameters and outputs are finite.",
            "Use the form of the loss that takes logits; it is safe from the logarithm of 0.",
        )

    def _layer(self, model: Model) -> str:
        """Return the first layer whose outputs are not finite, found by another forward of the same inputs."""
        session = self.session
        if session.call is None or model.is_compiled:
            return ""
        ref, args, kwargs = session.call
        if (module := ref()) is None:
            return ""
        found: list[str] = []

        def hook(name: str) -> Any:
            def look(_: nn.Module, __: Any, outputs: Any) -> None:
                if not found and isinstance(outputs, Tensor) and not bool(torch.isfinite(outputs).all()):
                    found.append(name or type(module).__name__)

            return look

        # What a forward leaves behind (running statistics, random numbers) is put back.
        buffers = {name: value.clone() for name, value in module.named_buffers()}
        devices = [inputs.device] if (inputs := session.inputs) is not None and inputs.is_cuda else []
        handles = [item.register_forward_hook(hook(name)) for name, item in model.inner.named_modules()]
        try:
            with torch.random.fork_rng(devices), session.silent():
                module(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
            for name, value in module.named_buffers():
                value.copy_(buffers[name])
        return found[0] if found else ""

    def _batch_number(self) -> str:
        loader = self.session.loaders.current
        return "" if loader is None else f", batch {loader.in_pass - 1} of the pass"

    def _say(self, loss: Loss, cause: str, details: str, remedy: str, tensors: list[str] | None = None) -> None:
        self.found("NaNSource", cause, details, remedy, loss.site, tensors=tensors or ())


class Overflow(Check):
    """Mixed precision skips a step now and then, not for ever."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._run = self._steps = 0

    def scaled(self, event: str, skipped: bool) -> None:
        """Count the steps that were skipped in a row."""
        if event != "step":
            return
        self._steps += 1
        self._run = self._run + 1 if skipped else 0
        if self._run >= SKIPS:
            self.found(
                "OverflowSkipped",
                "Mixed precision skips every step: gradients overflow, whatever the scale is.",
                f"The last {self._run} of {self._steps} steps of the scaler were skipped.",
                "Look for NaN in the loss and its gradients, or use bfloat16; call scaler.update() in each step.",
                self.session.sites.get("step", self.session.sites.get("backward", NOWHERE)),
                [(self._steps, float(self._run), float(SKIPS))],
            )
        elif not skipped:
            self.looked("OverflowSkipped")


class Guessing(Check):
    """After enough steps the loss is below what guessing by the shares of the classes would give."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._losses: list[float] = []
        self._sizes: list[int] = []
        self._counts: Tensor | None = None

    def computed(self, loss: Loss) -> None:
        """Keep the losses that are looked at, and their labels, from one training step on."""
        session = self.session
        if not loss.trains or not loss.classifies or loss.value.numel() != 1:
            return
        if not session.pace.watching or session.step < JUDGED_FROM // 3:
            return
        counts = count_labels(loss)
        self._counts = counts if self._counts is None or len(self._counts) != len(counts) else self._counts + counts
        self._losses.append(float(loss.value))
        self._sizes.append(int(loss.targets.numel()))
        if session.step >= JUDGED_FROM:
            self._judge(loss)

    def _judge(self, loss: Loss) -> None:
        assert self._counts is not None
        guess = guess_of(self._counts, loss)
        if guess is None or guess.loss - guess.least < 0.3:
            return
        # The mean of a few small batches says little: single losses scatter as much as they are large.
        count = labels = 0
        for size in reversed(self._sizes):
            count, labels = count + 1, labels + size
            if count >= BATCHES and labels >= LABELS:
                break
        else:
            return
        recent = self._losses[-count:]
        mean = sum(recent) / len(recent)
        if not math.isfinite(mean):
            return
        if not 0.97 <= guess.share(mean) <= 1.3:
            self.looked("NoBetterThanGuessing")
            return
        self.found(
            "NoBetterThanGuessing",
            "The network does no better than guessing: labels that do not belong to the inputs look like this.",
            f"After {self.session.step} steps the loss is {mean:.4g}; guessing by the classes' shares has "
            f"{guess.loss:.4g}.",
            "Look at a few inputs with their labels; if they fit, raise the learning rate.",
            loss.site,
            [(self.session.step, mean, guess.loss)],
        )
