"""Which steps, and which batches of evaluations, are looked at.

It goes by the numbers of steps and batches, more seldom the longer a training takes, so that findings are the same on a
fast machine and a busy one. Only what would cost more than a small share of the script's time waits for a later step;
the first steps and evaluations are looked at whatever they cost, which does not count.
"""

from __future__ import annotations

from ..debugger.schedule import RECHECKED
from .state import Clock

CLOSE_STEPS, EVERY, SPREAD = 24, 10, 20
"""The first steps are all looked at, then every tenth, later at intervals of a twentieth of the step's number."""
HEAVY = frozenset({0, 1, 2, 3, 5, 8, 11, 14, 17, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500})
"""Steps at which numbers of all parameters are compared; later every 500th."""
_HEAVY = tuple(sorted(HEAVY))
MOST_EVALUATED, FIRST_EVALUATIONS, LATER_EVALUATED = 40, 3, 4
"""Batches that are looked at closely of each of the first evaluations, and of later ones: calls of each of its models.

Those are chosen as steps are, at intervals of a twentieth of their number: what a script asks without gradients in each
step, such as the teacher of a distillation, is an evaluation in each step.
"""


class Pace:
    """How closely a training is looked at.

    `watching` says whether the step that is under way is looked at closely, `heavy` whether numbers of all parameters
    are compared in it.
    """

    def __init__(self, share: float | None) -> None:
        self.clock = Clock(share)
        self.watching = self.heavy = True
        self._calls: dict[int, int] = {}
        self._looked = False
        self._evaluated = self._evaluations = 0
        self._next = self._next_heavy = self._next_evaluation = 0
        self._affords = self._free = True

    def choose(self, step: int) -> None:
        """Decide whether the step that begins is looked at; what cannot be afforded now waits."""
        self._free = step < CLOSE_STEPS
        self._affords = self.clock.affords
        affords = self._free or self._affords
        self.watching = affords and (self._free or step >= self._next)
        if self.watching:
            self._next = -(-(step + 1) // EVERY) * EVERY if step < EVERY * SPREAD else step + step // SPREAD
        self.heavy = affords and step >= self._next_heavy
        if self.heavy:
            self._next_heavy = next((at for at in _HEAVY if at > step), step + 500 - step % 500)

    def restart(self) -> None:
        """Begin again with the first step: of another training."""
        self._evaluations = self._next = self._next_heavy = self._next_evaluation = 0
        self.choose(0)

    def evaluates(self, model: object) -> None:
        """Note that a model is called without gradients: with a batch of an evaluation, or after another with it."""
        calls = self._calls[id(model)] = self._calls.get(id(model), 0) + 1
        self._evaluated = max(self._evaluated, calls)
        self._looked = self._looked or self.watches_evaluation()

    def trains(self) -> None:
        """Note that a batch is trained on, which ends an evaluation; one that was not afforded leaves its turn."""
        if not self._evaluated:
            return
        if self._looked:
            self._next_evaluation = self._evaluations + max(1, self._evaluations // SPREAD)
        self._evaluations += 1
        self._evaluated, self._looked = 0, False
        self._calls.clear()

    def next_look(self, step: int) -> int:
        """Return the first step, from this one on, which begins, at which it is to be seen whether it is looked at."""
        return min(self._next, self._next_heavy) if self._affords else step + RECHECKED

    def watches_evaluation(self) -> bool:
        """Whether this batch of an evaluation is looked at."""
        if self._evaluations < FIRST_EVALUATIONS:
            return self._evaluated <= MOST_EVALUATED
        return self._evaluated <= LATER_EVALUATED and self._affords and self._evaluations >= self._next_evaluation

    def is_close(self, grad: bool) -> bool:
        """Whether what happens now is looked at closely: a step of the training, or a batch of an evaluation."""
        return self.watching or self.heavy or (not grad and self.watches_evaluation())

    def count(self, seconds: float, grad: bool) -> None:
        """Count what a close look took, but for the first ones."""
        if not self._free and (grad or self._evaluations >= FIRST_EVALUATIONS):
            self.clock.count(seconds)
