"""An optimizer that never steps, beside one that does."""

from __future__ import annotations

from typing import ClassVar

from ..check_base import Check
from ..session import Session
from ..state import Optimizer
from .parameters import listed

NOTED_STEP = 15
"""Step at which every optimizer has stepped, also one that does so once for several steps of another."""
WARM_PASSES, WARM_STEPS, STEPS_WITHOUT_LOADER = 6, 100, 1000
"""Passes and steps after which an optimizer that waits while another one warms up has begun too.

Five are a usual warm-up; in the sixth it begins, perhaps only after the other one has stepped.
"""


class Resting(Check):
    """Every optimizer steps whose parameters get gradients: it may begin later than another, but it begins.

    Another one may step in its place: what it holds is struck there and then, because at the end of the script it may
    be gone.
    """

    always: ClassVar[frozenset[str]] = frozenset({"before_step"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._noted: dict[Optimizer, dict[int, str]] = {}
        self._of: Optimizer | None = None

    def before_step(self, known: Optimizer) -> None:
        """Note in an early step what rests, while gradients are there; judge it when no warm-up is that long."""
        if self._noted:
            self._strike(known)
        if known is not self.session.optimizers.main:
            return
        if known.steps >= NOTED_STEP and known is not self._of:
            self._of = known
            self._note()
        elif self._noted and self._warm(known):
            self._judge(f"has not stepped in the first {known.steps} steps")

    def ended(self) -> None:
        """Judge what has not stepped to the end."""
        self._judge("never steps")

    def _strike(self, known: Optimizer) -> None:
        """Take what an optimizer moves from what rests."""
        moved = {id(item) for item in known.parameters()}
        rests = {
            other: {key: name for key, name in held.items() if key not in moved}
            for other, held in self._noted.items()
            if other is not known
        }
        self._noted = {other: held for other, held in rests.items() if held}

    def _note(self) -> None:
        names = {
            id(item): name
            for model in self.session.models.values()
            for name, item in model.inner.named_parameters(remove_duplicate=False)
        }
        used = self._used()
        for other in self.session.optimizers.all:
            held = [item for item in other.parameters() if item.grad is not None and id(item) not in used]
            if not other.steps and any(bool(item.grad.any()) for item in held[:3] if item.grad is not None):
                self._noted[other] = {id(item): names.get(id(item), "?") for item in held}

    def _used(self) -> set[int]:
        """Return the ids of what optimizers hold that have stepped, also of those that are gone."""
        stepped = [other for other in self.session.optimizers.all if other.steps]
        return {id(item) for other in stepped for item in other.parameters()}.union(*(other.ids for other in stepped))

    def _warm(self, known: Optimizer) -> bool:
        if self.session.loaders.current is None:
            return known.steps >= STEPS_WITHOUT_LOADER
        # Some make a new loader for every pass.
        passes = sum(item.passes for item in self.session.loaders.all if item.trained)
        return known.steps >= WARM_STEPS and passes > WARM_PASSES

    def _judge(self, how: str) -> None:
        for other, held in self._noted.items():
            names = list(held.values())
            self.found(
                "ParametersNeverChange",
                f"The optimizer of {listed(names)} {how}: they get gradients and stay as they are.",
                f"After {self.session.step} steps of the other optimizer it has not stepped once.",
                "Call step() of every optimizer.",
                other.made,
                tensors=names,
            )
        self._noted.clear()
