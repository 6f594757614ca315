"""The course of one watched training: takes what happens from the hooks, and lets the checks look at it.

Nothing here may fail the script or hold on to its memory: every check runs guarded, a check that breaks is left out,
and tensors are dropped at the end of their step.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .by_hand import HandSteps
from .check_base import NO_CONTEXT, Check, Checks
from .code_site import NOWHERE, Site, site
from .findings import Findings
from .harmless import harmless
from .loaders import Loaders
from .optimizers import Optimizers
from .pace import CLOSE_STEPS, Pace
from .plain_steps import PlainSteps
from .saved_classes import ModelClasses
from .state import Loss, Model, Optimizer, first_tensor, is_model, row_bytes


class Session:
    """One training in this process.

    `step` counts the steps of the training, of the optimizer that stepped first in it. `grad` is whether the last
    forward computed gradients: the checks themselves run without.
    `limit` ends the script after so many steps, 0 never.
    """

    def __init__(
        self,
        findings: Findings,
        recorder: Any = None,
        now: Callable[[], float] = time.perf_counter,
        share: float | None = None,
    ) -> None:
        self.findings, self.recorder, self.now = findings, recorder, now
        self.pace = Pace(share)
        self.models: dict[int, Model] = {}
        self.optimizers = Optimizers()
        self.loaders = Loaders(self)
        self.step = self.seq = 0
        self.loss: Loss | None = None
        self.inputs: Tensor | None = None
        self.model: Model | None = None
        self.sites: dict[str, Site] = {}
        self.backward_seq = self.zero_seq = self.forward_seq = -1
        self.scaling = False
        self.owner = os.getpid()
        self._thread = threading.get_ident()
        self._checks = Checks((), findings)
        self._make_checks: Callable[[Session], Sequence[Check]] = lambda session: ()
        self.called: set[str] = set()
        self.call: tuple[weakref.ref[nn.Module], Any, Any] | None = None
        self.quiet = False
        self.model_classes = ModelClasses(None)
        self.limit = 0
        self.grad = True
        self.seq_of_inputs = -1
        self._rows: tuple[int, list[bytes] | None] = (-1, None)
        self._hand: HandSteps | None = HandSteps()
        self.plain = PlainSteps(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_end_in_child, weakref.ref(self)))

    def add(self, make_checks: Callable[[Session], Sequence[Check]]) -> None:
        """Take checks into service; each training of the script gets new ones."""
        self._make_checks = make_checks
        self._checks = Checks(make_checks(self), self.findings)

    @property
    def here(self) -> bool:
        """Whether this is the thread and the process that train."""
        return threading.get_ident() == self._thread and not self.quiet

    # What the hooks say

    @harmless
    def before_forward(self, module: nn.Module, args: Any, kwargs: Any) -> Model | None:
        """Note that the script calls a module; return what is known of it if it is a model."""
        model = self.models.get(id(module))
        if model is None or model.module is not module:
            if not is_model(module):
                return None
            model = self.models[id(module)] = Model(module)
            self.plain.on = False
        self._stepped_by_hand()
        self.grad = torch.is_grad_enabled()
        if not self.grad:
            self.plain.on = False
            self.pace.evaluates(model)
        began = self._begin()
        self.seq += 1
        self.model = model
        self.inputs = first_tensor(args) if args and not kwargs else first_tensor((args, kwargs))
        if self.grad:
            self.pace.clock.begin()
        self.call = (weakref.ref(module), args, kwargs) if self.grad else None
        self.seq_of_inputs = self.seq
        self.at("forward")
        if self.recorder is not None:
            self.guard(self.recorder.before_forward, model, self.grad)
        self.notify("before_forward", model, self.inputs)
        self._count(began)
        return model

    @harmless
    def after_forward(self, model: Model, outputs: Any) -> None:
        """Note that the model has answered."""
        began = self._begin()
        model.forwards += 1
        self.loaders.called()
        if self.recorder is not None and self.recorder.tracing:
            self.guard(self.recorder.after_forward, model, self.inputs, outputs)
        self.notify("after_forward", model, self.inputs, outputs)
        self._count(began)

    @harmless
    def computed(
        self,
        kind: str,
        inputs: Any,
        targets: Any,
        value: Any,
        smoothing: float = 0.0,
        summed: bool = False,
        weight: Any = None,
    ) -> None:
        """Note that a loss was computed."""
        if not isinstance(inputs, Tensor) or not isinstance(targets, Tensor) or not isinstance(value, Tensor):
            return
        trains = value.requires_grad
        if (
            self.plain.on
            and trains
            and self.plain.computed(Loss(kind, inputs, targets, value, NOWHERE, trains, smoothing, summed, weight))
        ):
            return
        began = self._begin()
        self.seq += 1
        if trains:
            self.forward_seq = self.seq
        loss = Loss(kind, inputs, targets, value, self.at("loss"), trains, smoothing, summed, weight)
        if trains:
            self.loss = loss
        if self.recorder is not None:
            self.guard(self.recorder.computed, self.model, self.inputs, loss)
        self.notify("computed", loss)
        self._count(began)

    @harmless
    def before_backward(self, root: Tensor) -> None:
        """Note that the script calls backward."""
        began = self._begin()
        self.seq += 1
        self.at("backward")
        if not self.grad:  # the model was called inside something compiled, so these are an evaluation's
            self.inputs = self.call = None
        if self.recorder is not None and self.recorder.tracing:
            self.guard(self.recorder.before_backward)
        self.notify("before_backward", root)
        self.backward_seq = self.seq
        if self.model is not None:
            self.model.trained += 1
        self.loaders.trains()
        self.pace.trains()
        self._count(began)

    @harmless
    def after_backward(self) -> None:
        """Note that gradients are there."""
        began = self._begin()
        if self.recorder is not None and self.recorder.tracing:
            self.guard(self.recorder.after_backward)
        self.notify("after_backward")
        if self._hand is not None and self.model is not None and self.grad and self._without_optimizer():
            self.guard(self._hand.backward, self.model)
        if self.loss is not None:
            self.loss.detach()
        self._count(began)

    @harmless
    def cleared(self) -> None:
        """Note that gradients were cleared, by an optimizer or a module."""
        self._stepped_by_hand()
        self.seq += 1
        self.zero_seq = self.seq
        self.at("zero_grad")

    @harmless
    def made_optimizer(self, optimizer: Any) -> None:
        """Note that an optimizer was made."""
        self._thread = threading.get_ident()
        self._hand = None
        self.plain.on = False
        known = self.optimizers.made(optimizer)
        if self.optimizers.is_of_next(known):
            self._restart(known)
        self.notify("made_optimizer", known)

    @harmless
    def before_step(self, optimizer: Any) -> None:
        """Note that an optimizer is about to step."""
        if not self.here:
            return
        began = self._begin()
        known = self.optimizers.steps(optimizer)
        if self.recorder is not None and self.recorder.tracing:
            self.guard(self.recorder.before_step)
        self.notify("before_step", known)
        self._count(began)

    @harmless
    def after_step(self, optimizer: Any) -> None:
        """Note that an optimizer has stepped."""
        if not self.here:
            return
        began = self._begin()
        known = self.optimizers.of(optimizer)
        self.notify("after_step", known)
        self.seq += 1
        known.step_seq = self.seq
        if not known.steps:
            known.first_seq = self.seq
        known.steps += 1
        if known is self.optimizers.main:
            if self.recorder is not None:
                self.guard(self.recorder.after_step, known)
            self.notify("stepped")
            self.loaders.waited = 0.0
            self.inputs = self.loss = self.call = None
        self._count(began)  # as a part of this step, which may be one of the first: those are not counted
        if known is self.optimizers.main:
            self.next_step()
        if self.limit and self.step >= self.limit:
            raise SystemExit  # a trial of a remedy has shown what it can; the script ends as by sys.exit()

    @harmless
    def scheduled(self, scheduler: Any) -> None:
        """Note that a scheduler of the learning rate has stepped."""
        self.at("scheduler")
        self.notify("scheduled", scheduler)

    @harmless
    def clipped(self, parameters: Any) -> None:
        """Note that gradients were clipped."""
        self.seq += 1
        self.at("clip")
        self.notify("clipped", parameters)

    @harmless
    def scaled(self, event: str, skipped: bool = False) -> None:
        """Note that a gradient scaler did something: scale, unscale or step, which it may have skipped."""
        self.seq += 1
        self.notify("scaled", event, skipped)

    @harmless
    def dropped_out(self, p: float, training: bool) -> None:
        """Note that dropout was asked for through torch.nn.functional."""
        self.notify("dropped_out", p, training)

    @harmless
    def saved(self, value: Any, path: str) -> None:
        """Note that the script saved something in a file, "" where that is not known."""
        self.notify("saved", value, path, site())

    @harmless
    def restored(self, value: Any, path: str) -> None:
        """Note that the script loaded something that was saved."""
        self.notify("restored", value, path, site())

    def close(self) -> None:
        """Note that the script ends."""
        if os.getpid() != self.owner:
            return
        self.limit = 0  # the step that is found here ends nothing: what was found is written first
        self._stepped_by_hand()
        self.notify("ended")
        if self.recorder is not None:
            self.guard(self.recorder.close)
        self.findings.close(self.step)

    def next_step(self) -> None:
        """Go on to the next step, and decide how it is looked at."""
        self.step += 1
        self.pace.choose(self.step)
        self.plain.choose()

    def notify(self, event: str, *values: Any) -> None:
        """Let the checks know of what has happened."""
        self._checks.notify(event, self.pace.is_close(self.grad), *values)

    def guard(self, method: Callable[..., Any], *values: Any) -> Any:
        """Call a method of the recorder or of what sees steps by hand; the one that breaks is left out."""
        part = getattr(method, "__self__", None)
        try:
            # Nothing that is kept of a plain step could be part of the graph.
            with torch.no_grad() if self.pace.is_close(self.grad) else NO_CONTEXT:
                return method(*values)
        except Exception as error:
            if part is self._hand:
                self._hand = None
            else:
                self.recorder = None
            self.findings.broken(part, method.__name__, error)

    # What the checks ask

    @property
    def is_busy(self) -> bool:
        """Whether a check waits for what follows on what it has looked at."""
        return self._checks.is_busy

    @property
    def steps_by_optimizer(self) -> bool:
        """Whether an optimizer of torch's makes the steps, and is still there."""
        main = self.optimizers.main
        return self._hand is None and main is not None and main.optimizer() is not None

    def trained_models(self) -> list[Model]:
        """Return the models that an optimizer trains."""
        held = self.optimizers.held()
        return [
            model
            for model in self.models.values()
            if model.trained and any(id(item) in held for item in model.module.parameters())
        ]

    def rows(self) -> list[bytes] | None:
        """Return what tells the inputs of this batch apart: some numbers of each of the first 64, as bytes.

        On a device only in early steps, because it has to be waited for.
        """
        if self._rows[0] == self.seq_of_inputs:
            return self._rows[1]
        rows = None
        inputs = self.inputs
        if inputs is not None and inputs.ndim >= 2 and (inputs.device.type == "cpu" or self.step < CLOSE_STEPS):
            rows = row_bytes(inputs)
        self._rows = (self.seq_of_inputs, rows)
        return rows

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Take no notice of what happens inside."""
        self.quiet, before = True, self.quiet
        try:
            yield
        finally:
            self.quiet = before

    def at(self, what: str) -> Site:
        """Return where the script does this; looked up while steps are looked at closely, remembered afterwards."""
        if self.pace.watching or what not in self.sites:
            self.sites[what] = site()
        return self.sites[what]

    def _stepped_by_hand(self) -> None:
        """Note the step of a loop without an optimizer, before it goes on to the next batch."""
        hand = self._hand
        if hand is not None and self._without_optimizer() and self.guard(hand.moved):
            self.before_step(hand)
            self.after_step(hand)

    def _without_optimizer(self) -> bool:
        """Whether the script has made no optimizer of torch's."""
        return not self.optimizers.all or (
            self._hand is not None and all(o.optimizer() is self._hand for o in self.optimizers.all)
        )

    def _restart(self, known: Optimizer) -> None:
        """Note that the script begins with its next training, of other parameters."""
        self.step = 0
        self.pace.restart()
        if self.recorder is not None:
            self.guard(self.recorder.begin_next)
        self.optimizers.restart(known)
        self.loaders.restart()
        self.add(self._make_checks)

    def _begin(self) -> float:
        """Return the time if what happens now is looked at closely, which is counted; else 0."""
        return time.perf_counter() if self.pace.is_close(self.grad) else 0.0

    def _count(self, began: float) -> None:
        """Count what a hook has taken since it began to look closely."""
        if began:
            self.pace.count(time.perf_counter() - began, self.grad)


def _end_in_child(session: weakref.ref[Session]) -> None:
    """See to it that a process that was forked, such as a worker of a DataLoader, is not watched."""
    if (forked := session()) is not None:
        forked.quiet = True
