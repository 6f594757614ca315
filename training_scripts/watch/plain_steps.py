"""Steps of which nothing is looked at: hooks do the least then, for a network may need no more than a millisecond."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .harmless import harmless
from .optimizers import NEW_STEPS
from .state import Loader, Loss, Model, Optimizer, first_tensor

if TYPE_CHECKING:
    from .findings import Findings
    from .session import Session

QUICK_S, APART_S = 0.05, 0.25
"""Steps that take less than this are gone through plainly, but for one in so many seconds: that one is traced, and the
memory looked at. Of slower ones what hooks cost is nothing."""


class PlainSteps:
    """Goes through the steps that nothing is looked at: counts them, adds their losses up, and sees one that is NaN.

    One on a device is seen in the next step that is not plain: it would have to be waited for. `on` is whether the step
    that is under way is one. An evaluation ends it, and so does whatever is new.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.on = False
        self._call: tuple[Model, Any, Any] | None = None
        self._last = self._whole = 0.0
        self._until = 0

    @property
    def findings(self) -> Findings:
        """Return where it is said that something broke."""
        return self._session.findings

    def choose(self) -> None:
        """Decide whether the step that begins is one."""
        session, now = self._session, time.perf_counter()
        quick = now - self._last < QUICK_S
        self._last, self._call = now, None
        if not self.on:
            self._whole = now
        self._until = session.pace.next_look(session.step)
        if session.recorder is not None:
            self._until = min(self._until, session.recorder.next_save())
        self.on = (
            quick
            and now - self._whole < APART_S
            and session.step < self._until
            and not (session.pace.watching or session.pace.heavy or session.limit)
            and session.steps_by_optimizer
            and not session.is_busy
        )

    @harmless
    def called(self, module: nn.Module, args: Any, kwargs: Any) -> bool:
        """Whether a call of a module is of such a step; it is remembered as long as the step is under way."""
        known = self._session.models.get(id(module))
        if known is None or known.module is not module or not torch.is_grad_enabled():
            return False
        self._call = known, args, kwargs
        return True

    @harmless
    def computed(self, loss: Loss) -> bool:
        """Add up a loss of training; one that is not finite is looked at after all."""
        value = loss.value
        if not value.numel():
            return False
        mean: Tensor | float
        if value.device.type == "cpu":
            mean = value.item() if value.numel() == 1 else loss.mean.item()
            if not math.isfinite(mean):
                self._look()
                return False
            if loss.summed and loss.targets.ndim and value.numel() == 1:
                mean = mean / max(1, len(loss.targets))
        else:
            mean = loss.mean
        if self._session.recorder is not None:
            self._session.recorder.pass_loss(loss, mean)
        return True

    def batch(self, loader: Loader, advance: Callable[[Any], Any], iterator: Any) -> Any:
        """Return the next batch, and count it."""
        loaders, now = self._session.loaders, self._session.now
        loaders.fetching = True
        began = now()
        try:
            batch = advance(iterator)
        finally:  # a pass ends by an exception
            loaders.fetching = False
        loaders.waited += now() - began
        loaders.current = loader
        loader.batches += 1
        loader.in_pass += 1
        return batch

    def known(self, optimizer: Any) -> Optimizer | None:
        """Return what is known of an optimizer that steps in such a step, None if it is to be looked at."""
        if not self.on or not self._session.here:
            return None
        main = self._session.optimizers.main
        if main is not None and main.optimizer() is optimizer:
            return main if main.steps >= NEW_STEPS else None
        known = self._session.optimizers.known(optimizer)
        return None if known is None or known.steps < NEW_STEPS or known.later else known

    @harmless
    def stepped(self, known: Optimizer) -> None:
        """Count a step."""
        session = self._session
        known.steps += 1
        session.seq += 1
        known.step_seq = session.seq
        session.optimizers.see_alone(known)
        if known is session.optimizers.main:
            if session.recorder is not None:
                session.recorder.pass_step(known)
            now = time.perf_counter()
            if session.step + 1 < self._until and now - self._last < QUICK_S and now - self._whole < APART_S:
                session.step += 1
                self._last, self._call = now, None
            else:
                session.next_step()

    def _look(self) -> None:
        """Go on as in a step that is looked at, with what is remembered of its forward."""
        session, self.on = self._session, False
        if self._call is None:
            return
        model, args, kwargs = self._call
        session.model, session.grad = model, True
        session.inputs = first_tensor((args, kwargs))
        session.call = weakref.ref(model.module), args, kwargs
        session.seq += 1
        session.seq_of_inputs = session.seq
        if session.recorder is not None:
            session.guard(session.recorder.before_forward, model, True)
