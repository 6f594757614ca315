"""Train and eval mode, where they make a difference: dropout and batch normalisation."""

from __future__ import annotations

import torch
from torch import Tensor

from ..check_base import Check
from ..session import Session
from ..state import Model, snapshot

TIMES = 2
ASKED, STEPS = 12, 4
"""A model is asked so often, while another one makes so many steps, before it counts as one that is not trained."""


class Modes(Check):
    """A model trains in train mode and is evaluated in eval mode; what trained at first still does after evaluation."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._first: dict[int, dict[str, bool]] = {}
        self._after_evaluation: dict[int, bool] = {}
        self._training: tuple[Model, bool, list[str]] | None = None
        self._bad_training: dict[int, int] = {}
        self._bad_evaluation: dict[int, int] = {}
        self._asked: dict[int, tuple[int, int, Tensor]] = {}

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Note in which mode the model is called, and whether this is an evaluation."""
        module = model.module
        if not model.trained and model.sensitive and module.training and self.session.step:
            self._only_asked(model)
        if self.session.grad:
            self._training = (model, module.training, self._flipped(model))
            return
        self._after_evaluation[id(model)] = True
        if not model.trained or not model.sensitive or not self.session.pace.watches_evaluation():
            return
        on = [name for name, item in model.sensitive if item.training and getattr(item, "p", 1) > 0]
        if module.training and on and not _inside("update_bn", "calibrate"):
            count = self._bad_evaluation[id(model)] = self._bad_evaluation.get(id(model), 0) + 1
            if count >= TIMES:
                self.found(
                    "TrainModeWhileEvaluating",
                    f"{model.name} is evaluated in train mode: {_kinds(model, on)} still work as in training.",
                    f"{count} batches were evaluated with {len(on)} layers in train mode.",
                    "Call model.eval() before the evaluation, and model.train() after it.",
                    self.session.sites["forward"],
                    tensors=on,
                )
        else:
            self.looked("TrainModeWhileEvaluating")

    def _only_asked(self, model: Model) -> None:
        """Find a model that stays as it is beside the one that is trained, and yet is in train mode."""
        parameters = list(model.module.parameters())
        if self.session.grad and any(item.requires_grad for item in parameters):
            return
        numbers = snapshot([parameters[at] for at in sorted({0, len(parameters) // 2, len(parameters) - 1})])
        count, since, before = self._asked.get(id(model), (0, self.session.step, numbers))
        # An average of the trained model moves with it, and may well be in train mode.
        if not torch.equal(before, numbers):
            count, since = 0, self.session.step
        self._asked[id(model)] = (count + 1, since, numbers)
        on = [name for name, item in model.sensitive if item.training and getattr(item, "p", 1) > 0]
        if on and count + 1 >= ASKED and self.session.step >= since + STEPS:
            held = self.session.optimizers.held()
            if any(id(item) in held for item in parameters):
                # It will be trained, more seldom than another: a generator, by its critic's many steps.
                del self._asked[id(model)]
                return
            self.found(
                "TrainModeWhileEvaluating",
                f"{model.name} is not trained and yet in train mode: {_kinds(model, on)} still work as in training.",
                f"It was asked {count + 1} times without gradients and its parameters stayed as they were; {len(on)} "
                "of its layers are in train mode.",
                "Call eval() on a model that only answers, such as a teacher or a frozen backbone.",
                self.session.sites["forward"],
                tensors=on,
            )

    def before_backward(self, root: Tensor) -> None:
        """See whether what was called last, which is being trained, was in train mode."""
        if self._training is None or not self.session.pace.watching:
            return
        (model, trains, flipped), self._training = self._training, None
        sensitive = model.sensitive
        if trains and not model.trained:
            self._first[id(model)] = {name: item.training for name, item in sensitive}
        off = [name for name, _ in sensitive] if not trains else flipped
        if not off:
            self._bad_training[id(model)] = 0
            if sensitive:
                self.looked("EvalModeWhileTraining")
            return
        count = self._bad_training[id(model)] = self._bad_training.get(id(model), 0) + 1
        if count >= TIMES:
            after = self._after_evaluation.get(id(model))
            since = " since the last evaluation" if after and model.trained > count else ""
            self.found(
                "EvalModeWhileTraining",
                f"{model.name} trains in eval mode{since}: {_kinds(model, off)} are switched off.",
                f"{count} batches were trained with {len(off)} layers in eval mode.",
                "Call model.train() before training, and again after every evaluation.",
                self.session.sites["forward"],
                tensors=off,
            )

    def dropped_out(self, p: float, training: bool) -> None:
        """See whether dropout of torch.nn.functional is on in evaluation; it is, unless the call says otherwise."""
        model = self.session.model
        if not training or p <= 0 or model is None or model.module.training:
            return
        count = self._bad_evaluation[0] = self._bad_evaluation.get(0, 0) + 1
        if count >= TIMES:
            self.found(
                "TrainModeWhileEvaluating",
                f"F.dropout in {model.name} drops while it is evaluated: it does not know of eval mode.",
                f"It was called {count} times with training=True while the model was in eval mode.",
                "Write F.dropout(x, p, training=self.training), or use nn.Dropout.",
                self.session.sites["forward"],
            )

    def _flipped(self, model: Model) -> list[str]:
        """Return the layers that were in train mode in the first training step and are not now, after an evaluation."""
        first = self._first.get(id(model))
        if first is None or not self._after_evaluation.get(id(model)):
            return []
        return [name for name, item in model.sensitive if first.get(name) and not item.training]


def _kinds(model: Model, names: list[str]) -> str:
    kinds = {type(item).__name__ for name, item in model.sensitive if name in names}
    words = sorted({"dropout" if "Drop" in kind else "batch normalisation" for kind in kinds})
    return " and ".join(words)


def _inside(*names: str) -> bool:
    """Whether a function of this name is being executed: some run a model in train mode without training it."""
    import sys

    frame = sys._getframe(2)
    for _ in range(12):
        if frame is None:
            return False
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
