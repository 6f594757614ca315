"""What the training loop does, and in which order: clear, forward, backward, clip, step, schedule."""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils.weak import TensorWeakRef

from ..check_base import Check
from ..code_site import Site
from ..session import Session
from ..state import Optimizer

_Held = Callable[[], Tensor | None]
"""A tensor that is not held: itself while it is there."""
TIMES, RECENT = 3, 8
"""So often in a row something must be out of order, or more often than that among so many recent steps."""
_RESTS = 500
"""Events, some five in a step, after which an optimizer that has not stepped again is not waited for."""


class GradientOrder(Check):
    """Gradients are cleared, computed from this batch and used, once each; the loss goes down, not up."""

    always = frozenset({"before_backward", "before_step"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._left: weakref.WeakKeyDictionary[Optimizer, list[tuple[_Held, _Held, int]]]
        self._left = weakref.WeakKeyDictionary()
        self._kept: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._judged: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._lately: weakref.WeakKeyDictionary[Optimizer, deque[bool]] = weakref.WeakKeyDictionary()
        self._counts: dict[tuple[str, int], int] = {}
        self._in_step = self._thrown = 0
        self._lines: set[Site] = set()
        self._backwards = 0
        self._makers: dict[frozenset[int], int] = {}
        self._waits = False

    @property
    def is_busy(self) -> bool:
        """Whether gradients of a step are held against those of the next."""
        return self._waits

    def before_backward(self, root: Tensor) -> None:
        """Look for gradients that a step has used and no one has cleared; and at the sign of what goes backward."""
        self._backwards += 1
        if self.session.pace.watching:
            self._follow()
        if not self._left and not self._kept and not self.session.pace.watching:
            return
        for known in list(self._kept):
            # Two networks against each other: the other's backward adds to gradients that are cleared before the next.
            if not any(item.grad is not None and bool(item.grad.any()) for item in known.sample()):
                self._kept.discard(known)
        for known, left in list(self._left.items()):
            del self._left[known]
            self._judged.add(known)
            grads = [
                grad
                for held, ref, version in left
                if (item := held()) is not None
                and (grad := ref()) is not None
                and item.grad is grad
                and grad._version == version
            ]
            # `grad.data.zero_()` leaves the version as it was, so the numbers decide.
            if len(grads) == len(left) and any(bool(grad.any()) for grad in grads):
                self._kept.add(known)
        self._sign(root)

    def before_step(self, known: Optimizer) -> None:
        """Look whether there are gradients, whether they are of this batch, and of this batch alone."""
        session = self.session
        if known in self._judged:
            self._judged.discard(known)
            self._cleared(known)
        waiting = (*self._left, *self._kept, *self._judged)
        self._waits = any(session.seq - other.step_seq < _RESTS for other in waiting)
        if not session.pace.watching:
            return
        self._accumulated(known)
        empty = all(item.grad is None for item in known.parameters())
        if not empty and session.zero_seq > session.backward_seq:
            sample = [item.grad for item in known.sample() if item.grad is not None]
            empty = not any(bool(grad.any()) for grad in sample)
        newer_forward = session.forward_seq > session.backward_seq
        if empty and session.zero_seq > session.backward_seq > known.step_seq and not newer_forward:
            if self._again("early", known) >= TIMES - 1:
                self.found(
                    "GradientsClearedBeforeStep",
                    "Gradients are cleared after backward and before the optimizer's step, which has nothing to use.",
                    f"{TIMES - 1} times in a row zero_grad() came between backward and step.",
                    "Call zero_grad() before backward, or after the step.",
                    session.sites.get("zero_grad", known.stepped_at),
                )
        elif (newer_forward and (empty or known.steps)) or (empty and not self._backwards):
            if self._again("before", known) >= TIMES:
                never = not self._backwards
                self.found(
                    "StepBeforeBackward",
                    "backward is never called: the optimizer steps without gradients."
                    if never
                    else "The optimizer steps before backward, so it uses no gradients or those of the batch before.",
                    f"{TIMES} steps in a row came after a forward and before its backward.",
                    "Call loss.backward() before optimizer.step().",
                    known.stepped_at,
                )
        else:
            for what in ("early", "before"):
                self._over(what, known)
            self.looked("StepBeforeBackward")

    def _follow(self) -> None:
        """Count the batches of a step whose gradients were cleared before the next one's were computed."""
        session = self.session
        new, cleared = (seq > session.backward_seq for seq in (session.forward_seq, session.zero_seq))
        self._thrown += self._in_step > 0 and new and cleared
        self._in_step += 1
        self._lines.add(session.sites["backward"])

    def _accumulated(self, known: Optimizer) -> None:
        """Judge the backwards of this step: of one line and each of a new batch, they are meant to be added up."""
        if self._in_step > 1 and self._thrown == self._in_step - 1 and len(self._lines) == 1:
            if self._again("thrown", known) >= TIMES:
                self.found(
                    "GradientsClearedBeforeStep",
                    "Gradients are cleared with every micro-batch: the step uses those of the last one alone.",
                    f"In {TIMES} steps in a row {self._in_step} batches went backward, each after zero_grad().",
                    "Call zero_grad() once for each step of the optimizer, not for each batch.",
                    self.session.sites.get("zero_grad", known.stepped_at),
                )
        else:
            self._over("thrown", known)

    def scaled(self, event: str, skipped: bool) -> None:
        """End what is added up with a step that mixed precision skipped, too."""
        if event == "step":
            self._begin_step()

    def _begin_step(self) -> None:
        self._in_step = self._thrown = 0
        self._lines.clear()

    def _cleared(self, known: Optimizer) -> None:
        recent = self._lately.setdefault(known, deque(maxlen=RECENT))
        recent.append(known in self._kept)
        self._kept.discard(known)
        if not recent[-1]:
            if known.steps:
                self.looked("GradientsNotCleared")
            return
        never = sum(itertools.islice(reversed(recent), TIMES)) == TIMES
        if never or sum(recent) > TIMES:
            self.found(
                "GradientsNotCleared",
                "Gradients are never cleared: each backward adds to those of the steps before."
                if never
                else "Gradients are cleared too seldom: a step uses those of the step before once more.",
                f"In {sum(recent)} of the last {len(recent)} steps backward began with the gradients that the step "
                "before had used.",
                "Call optimizer.zero_grad() in every step, before backward.",
                self.session.sites.get("backward", known.stepped_at),
            )

    def after_step(self, known: Optimizer) -> None:
        """Remember which gradients this step has used; the next backward is held against them."""
        self._begin_step()
        self._waits = True
        self._left[known] = [
            (TensorWeakRef(item), TensorWeakRef(item.grad), item.grad._version)
            for item in known.sample()
            if item.grad is not None
        ]

    def made_optimizer(self, known: Optimizer) -> None:
        """Count how often the same parameters get a new optimizer after the old one has stepped."""
        held = frozenset(id(item) for item in known.parameters())
        stepped = [
            other
            for other in self.session.optimizers.all
            if other is not known and other.steps and frozenset(id(item) for item in other.parameters()) & held
        ]
        again = self._makers.get(held, 0) + bool(stepped or (held in self._makers and self.session.step))
        self._makers[held] = again
        if again >= TIMES and self.session.step < 4 * again:
            self.found(
                "OptimizerRemade",
                "A new optimizer is made for the same parameters every few steps: momentum and averages are lost.",
                f"{again} optimizers were made for them within {self.session.step} steps.",
                "Make the optimizer once, before the loop.",
                known.made,
            )

    def _sign(self, root: Tensor) -> None:
        """Find a loss of classification below zero, which cannot be; one that goes backward below zero is maximised."""
        loss = self.session.loss
        if (
            not self.session.pace.watching
            or loss is None
            or not loss.trains
            or root.numel() != 1
            or loss.value.numel() != 1
        ):
            return
        if loss.kind not in ("cross_entropy", "nll_loss", "binary_cross_entropy_with_logits", "binary_cross_entropy"):
            return
        value, goes = float(loss.value), float(root)
        if value > 1e-3 and goes < 0 and abs(goes / value) > 1e-4:
            if self._again("sign", self) >= TIMES:
                self.found(
                    "LossMaximised",
                    "The loss is maximised: backward starts from minus the loss.",
                    f"The loss is {value:.4g}, and backward starts from {goes:.4g}.",
                    "Call backward on the loss itself, without the minus.",
                    self.session.sites["backward"],
                    [(self.session.step, goes, 0.0)],
                )
        else:
            self._over("sign", self)
            self.looked("LossMaximised")

    def _again(self, what: str, of: object) -> int:
        count = self._counts[what, id(of)] = self._counts.get((what, id(of)), 0) + 1
        return count

    def _over(self, what: str, of: object) -> None:
        self._counts[what, id(of)] = 0


class Scheduling(Check):
    """A scheduler steps once for a step (or a pass) of its optimizer, and after it."""

    always = frozenset({"after_step"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._last: weakref.WeakKeyDictionary[Any, tuple[int, int, Site]] = weakref.WeakKeyDictionary()
        self._twice: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._early: weakref.WeakKeyDictionary[Any, tuple[int, Site]] = weakref.WeakKeyDictionary()
        self._skipped = 0

    def scaled(self, event: str, skipped: bool) -> None:
        """Leave a step out that mixed precision skipped: the scheduler could not have seen it."""
        self._skipped += skipped

    def scheduled(self, scheduler: Any) -> None:
        """Compare with how often the optimizer has stepped."""
        session = self.session
        optimizer = getattr(scheduler, "optimizer", None)
        if optimizer is None:
            return
        steps, at = session.optimizers.of(optimizer).steps, session.sites["scheduler"]
        before, skipped, earlier = self._last.get(scheduler, (-1, self._skipped, at))
        self._last[scheduler] = (steps, self._skipped, at)
        if not steps:
            count, first = self._early.get(scheduler, (0, at))
            self._early[scheduler] = (count + 1, first)
            return
        if steps != before or skipped != self._skipped:
            self.looked("SchedulerOutOfStep")
            return
        count = self._twice[scheduler] = self._twice.get(scheduler, 0) + 1
        if count >= 2 or earlier != at:
            where = "in two places" if earlier != at else "twice"
            self.found(
                "SchedulerOutOfStep",
                f"The scheduler steps {where} for each step of the optimizer: the learning rate runs ahead.",
                f"{type(scheduler).__name__}.step() came again although the optimizer had not stepped since.",
                "Call scheduler.step() once: after each optimizer.step(), or once after each epoch.",
                at,
                [(session.step, float(optimizer.param_groups[0]["lr"]), None)],
            )

    def after_step(self, known: Optimizer) -> None:
        """See at the first step of an optimizer whether one of its schedulers was stepped just before it."""
        if known.steps:
            return
        for scheduler, (count, at) in list(self._early.items()):
            if count == 1 and getattr(scheduler, "optimizer", None) is known.optimizer():
                self.found(
                    "SchedulerOutOfStep",
                    "The scheduler steps before the optimizer: the first learning rate of its plan is skipped.",
                    f"{type(scheduler).__name__}.step() was called before the first optimizer.step().",
                    "Call scheduler.step() after optimizer.step().",
                    at,
                )


class Clipping(Check):
    """Gradients are clipped after backward (and after unscaling) and before the step."""

    always = frozenset({"stepped"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._clips = self._useful = self._vain = self._scaled = 0
        self._scaling = self._unscaled = False

    def scaled(self, event: str, skipped: bool) -> None:
        """Follow the gradient scaler: scaled, unscaled, stepped."""
        if event == "scale":
            self._scaling, self._unscaled = True, False
        elif event == "unscale":
            self._unscaled = True

    def clipped(self, parameters: Any) -> None:
        """Look whether there is anything to clip at this moment."""
        session = self.session
        self._clips += 1
        fresh = session.backward_seq > (session.optimizers.main.step_seq if session.optimizers.main is not None else -1)
        self._useful += fresh and session.backward_seq > session.forward_seq
        if self._scaling and not self._unscaled and fresh:
            self._scaled += 1
            if self._scaled >= TIMES - 1:
                self.found(
                    "ClippedWithoutEffect",
                    "Gradients are clipped while they are still multiplied by the scaler's factor.",
                    "Clipping came after scaler.scale(loss).backward() and without scaler.unscale_(optimizer).",
                    "Call scaler.unscale_(optimizer) before clipping.",
                    session.sites["clip"],
                )

    def stepped(self) -> None:
        """See at the end of a step whether it was clipped in time."""
        if self._clips and not self._useful:
            self._vain += 1
            if self._vain >= TIMES:
                self.found(
                    "ClippedWithoutEffect",
                    "Gradients are clipped where it has no effect: before backward, or after the step.",
                    f"In {TIMES} steps in a row clipping did not come between backward and step.",
                    "Clip between loss.backward() and optimizer.step().",
                    self.session.sites["clip"],
                )
        elif self._clips:
            self._vain = 0
            self.looked("ClippedWithoutEffect")
        self._clips = self._useful = 0
