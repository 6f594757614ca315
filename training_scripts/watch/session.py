"""The course of one watched training: takes what happens from the hooks, and lets the checks look at it.

Nothing here may fail the script or hold on to its memory: every check runs guarded, a check that breaks is left out,
and tensors are dropped at the end of their step.

What is looked at goes by the numbers of steps and batches, more seldom the longer a training takes, so that findings
are the same on a fast machine and a busy one. Only what would cost more than a small share of the script's time waits
for a later step; the first steps are looked at whatever they cost.
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

from ..debugger.schedule import RECHECKED
from .by_hand import HandSteps
from .check_base import NO_CONTEXT, Check, Checks
from .code_site import NOWHERE, Site, site
from .findings import Findings
from .harmless import harmless
from .plain_steps import PlainSteps
from .saved_classes import ModelClasses
from .state import Clock, Loader, Loss, Model, Optimizer, first_tensor, is_model, row_bytes

CLOSE_STEPS, EVERY, SPREAD = 24, 10, 20
"""The first steps are all looked at, then every tenth, later at intervals of a twentieth of the step's number."""
HEAVY = frozenset({0, 1, 2, 3, 5, 8, 11, 14, 17, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500})
"""Steps at which numbers of all parameters are compared; later every 500th."""
_HEAVY = tuple(sorted(HEAVY))
MOST_EVALUATED, FIRST_EVALUATIONS, LATER_EVALUATED = 40, 3, 4
"""Batches that are looked at closely of each of the first evaluations, and of later ones."""


class Session:
    """One training in this process.

    `step` counts the steps of the training, of the optimizer that stepped first in it. `watching` says whether this one
    is looked at closely, `heavy` whether numbers of all parameters are compared. `grad` is whether the last forward
    computed gradients: the checks themselves run without. `fetching`: a loader makes a batch.
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
        self.clock = Clock(share)
        self.models: dict[int, Model] = {}
        self.optimizers: list[Optimizer] = []
        self.loaders: list[Loader] = []
        self.main: Optimizer | None = None
        self.step = self.seq = 0
        self.loss: Loss | None = None
        self.loader: Loader | None = None
        self.inputs: Tensor | None = None
        self.model: Model | None = None
        self.sites: dict[str, Site] = {}
        self.backward_seq = self.zero_seq = self.forward_seq = -1
        self.scaling = False
        self.evaluated = self.evaluations = 0
        self._next = 0
        self._affords = True
        self.waited = 0.0
        self.watching = self.heavy = True
        self.owner = os.getpid()
        self._by_optimizer: weakref.WeakKeyDictionary[Any, Optimizer] = weakref.WeakKeyDictionary()
        self._by_loader: weakref.WeakKeyDictionary[Any, Loader] = weakref.WeakKeyDictionary()
        self._thread = threading.get_ident()
        self._checks = Checks((), findings)
        self._make_checks: Callable[[Session], Sequence[Check]] = lambda session: ()
        self._unused = False
        self.called: set[str] = set()
        self.call: tuple[weakref.ref[nn.Module], Any, Any] | None = None
        self.quiet = self.fetching = False
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
        self._stepped_by_hand()
        self.grad = torch.is_grad_enabled()
        began = self._begin()
        self.seq += 1
        self.model = model
        self.inputs = first_tensor(args) if args and not kwargs else first_tensor((args, kwargs))
        if self.grad:
            self.clock.begin()
        else:
            self.plain.on = False
        self.call = (weakref.ref(module), args, kwargs) if self.grad else None
        self.seq_of_inputs = self.seq
        self.at("forward")
        if self.recorder is not None:
            self._guard(self.recorder.before_forward, model, self.grad)
        self._notify("before_forward", model, self.inputs)
        self._count(began)
        return model

    @harmless
    def after_forward(self, model: Model, outputs: Any) -> None:
        """Note that the model has answered."""
        began = self._begin()
        model.forwards += 1
        self._unused = True
        if self.recorder is not None and self.recorder.tracing:
            self._guard(self.recorder.after_forward, model, self.inputs, outputs)
        self._notify("after_forward", model, self.inputs, outputs)
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
        else:
            self.evaluated += 1
        loss = Loss(kind, inputs, targets, value, self.at("loss"), trains, smoothing, summed, weight)
        if trains:
            self.loss = loss
        if self.recorder is not None:
            self._guard(self.recorder.computed, self.model, self.inputs, loss)
        self._notify("computed", loss)
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
            self._guard(self.recorder.before_backward)
        self._notify("before_backward", root)
        self.backward_seq = self.seq
        if self.model is not None:
            self.model.trained += 1
        if self.loader is not None:
            self.loader.trained += 1
        self.evaluations += self.evaluated > 0
        self.evaluated, self._unused = 0, False
        self._count(began)

    @harmless
    def after_backward(self) -> None:
        """Note that gradients are there."""
        began = self._begin()
        if self.recorder is not None and self.recorder.tracing:
            self._guard(self.recorder.after_backward)
        self._notify("after_backward")
        if self._hand is not None and self.model is not None and self.grad and self._without_optimizer():
            self._guard(self._hand.backward, self.model)
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
        later = self.main is not None and self.main.steps > 0
        known = Optimizer(weakref.ref(optimizer), made=site(), later=later)
        self._by_optimizer[optimizer] = known
        self.optimizers = [item for item in self.optimizers if item.optimizer() is not None or item.steps]
        self.optimizers.append(known)
        if later and self.main is not None and self.main.ids.isdisjoint(id(item) for item in known.parameters()):
            self._restart(known)
        self._notify("made_optimizer", known)

    @harmless
    def before_step(self, optimizer: Any) -> None:
        """Note that an optimizer is about to step."""
        if not self.here:
            return
        began = self._begin()
        known = self.optimizer(optimizer)
        if self.main is None or (known is not self.main and (known.later or self.main.optimizer() is None)):
            self.main, known.later = known, False  # of the same training, or of the script's next one
        if known.steps < 3:
            known.stepped_at = site()
            known.held = [weakref.ref(item) for item in known.parameters()]
        if self.recorder is not None and self.recorder.tracing:
            self._guard(self.recorder.before_step)
        self._notify("before_step", known)
        self._count(began)

    @harmless
    def after_step(self, optimizer: Any) -> None:
        """Note that an optimizer has stepped."""
        if not self.here:
            return
        began = self._begin()
        known = self.optimizer(optimizer)
        self._notify("after_step", known)
        known.steps += 1
        self.seq += 1
        known.step_seq = self.seq
        if known is self.main:
            if self.recorder is not None:
                self._guard(self.recorder.after_step, known)
            self._notify("stepped")
            self.waited = 0.0
            self.inputs = self.loss = self.call = None
            self.next_step()
        self._count(began)
        if self.limit and self.step >= self.limit:
            raise SystemExit  # a trial of a remedy has shown what it can; the script ends as by sys.exit()

    @harmless
    def made_loader(self, loader: Any) -> None:
        """Note that a DataLoader was made."""
        known = Loader(weakref.ref(loader), made=site())
        self._by_loader[loader] = known
        self.loaders.append(known)

    @harmless
    def began_pass(self, loader: Any) -> Loader:
        """Note that the script begins to go through a DataLoader; return what is known of it."""
        known = self._by_loader.get(loader)
        if known is None:
            known = self._by_loader[loader] = Loader(weakref.ref(loader))
            self.loaders.append(known)
        self._settle()
        known.passes += 1
        known.in_pass = 0
        try:
            known.length = len(loader)
        except Exception:
            known.length = None
        self._notify("began_pass", known)
        return known

    @harmless
    def loading(self) -> None:
        """Note that the script asks for a batch."""
        self.fetching = self.here
        if self.recorder is not None and self.recorder.tracing and self.here:
            self._guard(self.recorder.before_batch, self.loader)

    @harmless
    def loaded(self, loader: Loader, seconds: float) -> None:
        """Note that a batch has come."""
        if not self.here:
            return
        self._settle()
        self.loader = loader
        loader.batches += 1
        loader.in_pass += 1
        self.waited += seconds
        if self.recorder is not None:
            self._guard(self.recorder.after_batch, loader)
        self._notify("loaded", loader, seconds)

    @harmless
    def scheduled(self, scheduler: Any) -> None:
        """Note that a scheduler of the learning rate has stepped."""
        self.at("scheduler")
        self._notify("scheduled", scheduler)

    @harmless
    def clipped(self, parameters: Any) -> None:
        """Note that gradients were clipped."""
        self.seq += 1
        self.at("clip")
        self._notify("clipped", parameters)

    @harmless
    def scaled(self, event: str, skipped: bool = False) -> None:
        """Note that a gradient scaler did something: scale, unscale or step, which it may have skipped."""
        self.seq += 1
        self._notify("scaled", event, skipped)

    @harmless
    def dropped_out(self, p: float, training: bool) -> None:
        """Note that dropout was asked for through torch.nn.functional."""
        self._notify("dropped_out", p, training)

    @harmless
    def saved(self, value: Any, path: str) -> None:
        """Note that the script saved something in a file, "" where that is not known."""
        self._notify("saved", value, path, site())

    @harmless
    def restored(self, value: Any, path: str) -> None:
        """Note that the script loaded something that was saved."""
        self._notify("restored", value, path, site())

    def close(self) -> None:
        """Note that the script ends."""
        if os.getpid() != self.owner:
            return
        self.limit = 0  # the step that is found here ends nothing: what was found is written first
        self._stepped_by_hand()
        self._notify("ended")
        if self.recorder is not None:
            self._guard(self.recorder.close)
        self.findings.close(self.step)

    def next_step(self) -> None:
        """Go on to the next step, and decide how it is looked at."""
        self.step += 1
        self._choose()
        self.plain.choose()

    # What the checks ask

    def next_look(self) -> int:
        """Return the first step, from the one that begins on, at which it is to be seen whether it is looked at."""
        if not self._affords:
            return self.step + RECHECKED
        return min(self._next, next((at for at in _HEAVY if at >= self.step), self.step - self.step % -500))

    @property
    def is_busy(self) -> bool:
        """Whether a check waits for what follows on what it has looked at."""
        return self._checks.is_busy

    @property
    def steps_by_optimizer(self) -> bool:
        """Whether an optimizer of torch's makes the steps, and is still there."""
        return self._hand is None and self.main is not None and self.main.optimizer() is not None

    def known(self, optimizer: Any) -> Optimizer | None:
        """Return what is known of an optimizer, None if it is new."""
        return self._by_optimizer.get(optimizer)

    def optimizer(self, optimizer: Any) -> Optimizer:
        """Return what is known of an optimizer."""
        known = self._by_optimizer.get(optimizer)
        if known is None:
            known = self._by_optimizer[optimizer] = Optimizer(weakref.ref(optimizer))
            self.optimizers.append(known)
        return known

    def held(self) -> set[int]:
        """Return the ids of the parameters that any optimizer holds."""
        return {id(item) for known in self.optimizers for item in known.parameters()}

    def trained_models(self) -> list[Model]:
        """Return the models that an optimizer trains."""
        held = self.held()
        return [
            model
            for model in self.models.values()
            if model.trained and any(id(item) in held for item in model.module.parameters())
        ]

    def watching_evaluation(self) -> bool:
        """Return whether this batch of an evaluation is looked at: the first ones, fewer in later evaluations."""
        if self.evaluations < FIRST_EVALUATIONS:
            return self.evaluated < MOST_EVALUATED
        return self.evaluated < LATER_EVALUATED and self._affords

    def is_compiled(self, model: Model) -> bool:
        """Return whether torch compiles any of a model: hooks inside would make it do so again."""
        return model.compiled or any(
            getattr(module, "_compiled_call_impl", None) is not None or type(module).__name__ == "OptimizedModule"
            for module in model.module.modules()
        )

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

    def class_names(self) -> list[str]:
        """Return the classes that the dataset being trained on names."""
        from .checks.datasets import classes_of

        return [] if self.loader is None else classes_of(self.loader.dataset)

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
        if self.watching or what not in self.sites:
            self.sites[what] = site()
        return self.sites[what]

    def _stepped_by_hand(self) -> None:
        """Note the step of a loop without an optimizer, before it goes on to the next batch."""
        hand = self._hand
        if hand is not None and self._without_optimizer() and self._guard(hand.moved):
            self.before_step(hand)
            self.after_step(hand)

    def _without_optimizer(self) -> bool:
        """Whether the script has made no optimizer of torch's."""
        return not self.optimizers or (
            self._hand is not None and all(o.optimizer() is self._hand for o in self.optimizers)
        )

    def _restart(self, known: Optimizer) -> None:
        """Note that the script begins with its next training, of other parameters."""
        self.step = self.evaluations = self._next = 0
        self._choose()
        if self.recorder is not None:
            self._guard(self.recorder.begin_next)
        self.optimizers = [item for item in self.optimizers if item is known or not item.steps]
        for loader in self.loaders:
            loader.trained = loader.evaluated = 0  # by this training
        self.add(self._make_checks)

    def _choose(self) -> None:
        """Decide whether the step that begins is looked at."""
        step = self.step
        self._affords = self.clock.affords
        affords = step < CLOSE_STEPS or self._affords
        self.watching = affords and (step < CLOSE_STEPS or step >= self._next)
        if self.watching:
            self._next = -(-(step + 1) // EVERY) * EVERY if step < EVERY * SPREAD else step + step // SPREAD
        self.heavy = affords and (step in HEAVY or step % 500 == 0)

    def _settle(self) -> None:
        """Count the last batch as evaluated if it went through the model and no backward followed."""
        if self._unused and self.loader is not None:
            self.loader.evaluated += 1
        self._unused = False

    def _looking(self) -> bool:
        """Whether what happens now is looked at closely: a step of the training, or a batch of an evaluation."""
        return self.watching or self.heavy or (not self.grad and self.watching_evaluation())

    def _begin(self) -> float:
        """Return the time if what happens now is looked at closely, which is counted; else 0."""
        return time.perf_counter() if self._looking() else 0.0

    def _count(self, began: float) -> None:
        """Count what a hook has taken since it began to look closely."""
        if began:
            self.clock.count(time.perf_counter() - began)

    def _notify(self, event: str, *values: Any) -> None:
        self._checks.notify(event, self._looking(), *values)

    def _guard(self, method: Callable[..., Any], *values: Any) -> Any:
        """Call a method of the recorder or of what sees steps by hand; the one that breaks is left out."""
        part = getattr(method, "__self__", None)
        try:
            # Nothing that is kept of a plain step could be part of the graph.
            with torch.no_grad() if self._looking() else NO_CONTEXT:
                return method(*values)
        except Exception as error:
            if part is self._hand:
                self._hand = None
            else:
                self.recorder = None
            self.findings.broken(part, method.__name__, error)


def _end_in_child(session: weakref.ref[Session]) -> None:
    """See to it that a process that was forked, such as a worker of a DataLoader, is not watched."""
    if (forked := session()) is not None:
        forked.quiet = True
