"""The optimizers of a training, and which of them makes its steps."""

from __future__ import annotations

import weakref
from typing import Any

from .code_site import site
from .state import Optimizer

NEW_STEPS = 3
"""Steps of an optimizer in which it is seen where it steps, and what it holds."""
ALONE = 20
"""Steps in a row of an optimizer after which it has taken the place of one that holds the same parameters."""


class Optimizers:
    """What is known of them. `main` is the one whose steps are those of the training.

    It stepped first, or has taken that one's place.
    """

    def __init__(self) -> None:
        self.all: list[Optimizer] = []
        self.main: Optimizer | None = None
        self._by_optimizer: weakref.WeakKeyDictionary[Any, Optimizer] = weakref.WeakKeyDictionary()

    def known(self, optimizer: Any) -> Optimizer | None:
        """Return what is known of an optimizer, None if it is new."""
        return self._by_optimizer.get(optimizer)

    def of(self, optimizer: Any) -> Optimizer:
        """Return what is known of an optimizer."""
        known = self._by_optimizer.get(optimizer)
        return self._add(optimizer, Optimizer(weakref.ref(optimizer))) if known is None else known

    def made(self, optimizer: Any) -> Optimizer:
        """Note that an optimizer was made; return what is known of it."""
        later = self.main is not None and self.main.steps > 0
        self.all = [item for item in self.all if item.optimizer() is not None or item.steps]
        return self._add(optimizer, Optimizer(weakref.ref(optimizer), made=site(), later=later))

    def steps(self, optimizer: Any) -> Optimizer:
        """Note that an optimizer is about to step; return what is known of it."""
        known = self.of(optimizer)
        if self.main is None or (known is not self.main and (known.later or self.main.optimizer() is None)):
            self.main, known.later = known, False  # of the same training, or of the script's next one
        self.see_alone(known)
        if known.steps < NEW_STEPS:
            known.stepped_at = site()
            known.held = [weakref.ref(item) for item in known.parameters()]
        return known

    def see_alone(self, known: Optimizer) -> None:
        """Make this one, which steps, the main one where the main one rests and this one moves what it moved."""
        main = self.main
        if main is None or known is main:
            return
        if known.beside != main.steps:
            known.beside, known.alone_from = main.steps, known.steps
        alone = known.steps - known.alone_from
        if alone and not alone % ALONE and not main.ids.isdisjoint(id(item) for item in known.parameters()):
            self.main = known

    def is_of_next(self, made: Optimizer) -> bool:
        """Whether one that was made is of the script's next training, of other parameters."""
        return made.later and self.main is not None and self.main.ids.isdisjoint(id(item) for item in made.parameters())

    def restart(self, first: Optimizer) -> None:
        """Forget those that have stepped: the training of this one begins."""
        self.all = [item for item in self.all if item is first or not item.steps]

    def held(self) -> set[int]:
        """Return the ids of the parameters that any of them holds."""
        return {id(item) for known in self.all for item in known.parameters()}

    def _add(self, optimizer: Any, known: Optimizer) -> Optimizer:
        self._by_optimizer[optimizer] = known
        self.all.append(known)
        return known
