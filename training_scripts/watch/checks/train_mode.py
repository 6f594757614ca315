"""Train and eval mode, where they make a difference: dropout and batch normalisation."""

from __future__ import annotations

from torch import Tensor

from ..check_base import Check
from ..session import Session
from ..state import Model

TIMES = 2


class Modes(Check):
    """A model trains in train mode and is evaluated in eval mode; what trained at first still does after evaluation."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._first: dict[int, dict[str, bool]] = {}
        self._after_evaluation: dict[int, bool] = {}
        self._training: tuple[Model, bool, list[str]] | None = None
        self._bad_training: dict[int, int] = {}
        self._bad_evaluation: dict[int, int] = {}

    def before_forward(self, model: Model, inputs: Tensor | None) -> None:
        """Note in which mode the model is called, and whether this is an evaluation."""
        module = model.module
        if self.session.grad:
            self._training = (model, module.training, self._flipped(model))
            return
        self._after_evaluation[id(model)] = True
        if not model.trained or not model.sensitive or not self.session.watching_evaluation():
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

    def before_backward(self, root: Tensor) -> None:
        """See whether what was called last, which is being trained, was in train mode."""
        if self._training is None or not self.session.watching:
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
