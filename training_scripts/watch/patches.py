"""Puts the hooks into torch: what the script calls tells the session, and then does what it always did.

Each wrapper costs a few hundred nanoseconds where nothing is looked at. torch.compile traces through them as if they
were not there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim import optimizer as optimizers
from torch.utils import data
from torch.utils.data import dataloader

from .saving import install_saving
from .session import Session

LOSSES = {
    "cross_entropy": (0, 1),
    "nll_loss": (0, 1),
    "binary_cross_entropy": (0, 1),
    "binary_cross_entropy_with_logits": (0, 1),
    "mse_loss": (0, 1),
    "l1_loss": (0, 1),
    "smooth_l1_loss": (0, 1),
    "huber_loss": (0, 1),
    "kl_div": (0, 1),
}
WEIGHTED = ("cross_entropy", "nll_loss")
_SCALER = ("scale", "unscale_", "step")


class Patches:
    """What was changed in torch, and the way back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute until `close`."""
        before = owner.__dict__[name] if name in getattr(owner, "__dict__", {}) else getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    def remember(self, undo: Callable[[], None]) -> None:
        """Do this on `close` too."""
        self._undo.append(undo)

    def close(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()


def install(session: Session, whole_models: bool = True) -> Patches:
    """Put hooks into what a session wants to hear of; `whole_models`: also every call of a module from outside."""
    patches = Patches()
    if whole_models:
        _modules(session, patches)
    _losses(session, patches)
    _backward(session, patches)
    _optimizers(session, patches)
    _schedulers(session, patches)
    _loaders(session, patches)
    _amp(session, patches)
    _clipping(session, patches)
    install_saving(session, patches)
    return patches


def _modules(session: Session, patches: Patches) -> None:
    original = nn.Module.__call__
    inside = [False]

    @functools.wraps(original)
    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if inside[0] or torch.compiler.is_compiling() or not session.here:
            return original(module, *args, **kwargs)
        if session.plain.on and session.plain.called(module, args, kwargs):
            inside[0] = True
            try:
                return original(module, *args, **kwargs)
            finally:
                inside[0] = False
        model = session.before_forward(module, args, kwargs)
        if model is None:
            return original(module, *args, **kwargs)
        inside[0] = True
        try:
            outputs = original(module, *args, **kwargs)
        finally:
            inside[0] = False
        session.after_forward(model, outputs)
        return outputs

    patches.set(nn.Module, "__call__", call)


def _losses(session: Session, patches: Patches) -> None:
    for kind, (ours, theirs) in LOSSES.items():
        original = getattr(nn.functional, kind)
        patches.set(nn.functional, kind, _loss(session, kind, original, ours, theirs))

    dropout = nn.functional.dropout

    @functools.wraps(dropout)
    def dropped(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if training and not torch.compiler.is_compiling() and not torch.is_grad_enabled() and session.here:
            session.dropped_out(p, training)
        return dropout(input, p, training, inplace)

    patches.set(nn.functional, "dropout", dropped)


def _loss(session: Session, kind: str, original: Callable[..., Any], ours: int, theirs: int) -> Callable[..., Any]:
    @functools.wraps(original)
    def loss(*args: Any, **kwargs: Any) -> Any:
        value = original(*args, **kwargs)
        if not torch.compiler.is_compiling() and session.here:
            inputs = args[ours] if len(args) > ours else kwargs.get("input")
            targets = args[theirs] if len(args) > theirs else kwargs.get("target")
            summed = kwargs.get("reduction") == "sum"
            weight = None
            if kind in WEIGHTED:
                weight = args[2] if len(args) > 2 else kwargs.get("weight")
            smoothing = float(kwargs.get("label_smoothing") or 0.0)
            session.computed(kind, inputs, targets, value, smoothing, summed, weight)
        return value

    return loss


def _backward(session: Session, patches: Patches) -> None:
    original: Any = torch.Tensor.backward

    @functools.wraps(original)
    def backward(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or not session.here:
            return original(tensor, *args, **kwargs)
        if session.plain.on:
            session.backward_seq = session.seq = session.seq + 1  # the step may not stay plain
            return original(tensor, *args, **kwargs)
        session.before_backward(tensor)
        result = original(tensor, *args, **kwargs)
        session.after_backward()
        return result

    patches.set(torch.Tensor, "backward", backward)


def _optimizers(session: Session, patches: Patches) -> None:
    hooks: Any = optimizers

    def before_step(optimizer: Any, args: Any, kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or session.plain.known(optimizer) is not None:
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            session.before_step(optimizer)
            return None
        then = _then(closure, lambda: session.before_step(optimizer))
        return (args[0], then, *args[2:]), {key: value for key, value in kwargs.items() if key != "closure"}

    def after_step(optimizer: Any, args: Any, kwargs: Any) -> None:
        if torch.compiler.is_compiling():
            return
        known = session.plain.known(optimizer)
        if known is not None:
            session.plain.stepped(known)
        else:
            session.after_step(optimizer)

    before = hooks.register_optimizer_step_pre_hook(before_step)
    after = hooks.register_optimizer_step_post_hook(after_step)
    patches.remember(before.remove)
    patches.remember(after.remove)
    made: Any = torch.optim.Optimizer.__init__

    @functools.wraps(made)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        session.made_optimizer(self)

    patches.set(torch.optim.Optimizer, "__init__", init)
    for owner in (torch.optim.Optimizer, nn.Module):
        patches.set(owner, "zero_grad", _telling(owner.zero_grad, session, session.cleared))


def _then(closure: Callable[[], Any], tell: Callable[[], None]) -> Callable[[], Any]:
    """Return a closure that computes the gradients, and the first time tells that they are there."""
    noted = [False]

    @functools.wraps(closure)
    def wrapper() -> Any:
        value = closure()
        if not noted[0]:
            noted[0] = True
            tell()
        return value

    return wrapper


def _schedulers(session: Session, patches: Patches) -> None:
    depth = [0]

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            # One scheduler may step others, and each steps once as it is made.
            own = (
                not depth[0]
                and getattr(scheduler, "_step_count", 1) > 0
                and not getattr(scheduler, "_is_initial", False)
            )
            depth[0] += 1
            try:
                result = original(scheduler, *args, **kwargs)
            finally:
                depth[0] -= 1
            if own and session.here:
                session.scheduled(scheduler)
            return result

        return step

    for kind in list(vars(lr_scheduler).values()):
        if isinstance(kind, type) and "step" in vars(kind) and kind.__module__ == lr_scheduler.__name__:
            patches.set(kind, "step", wrap(vars(kind)["step"]))


def _loaders(session: Session, patches: Patches) -> None:
    made, iterate = data.DataLoader.__init__, data.DataLoader.__iter__
    advance = dataloader._BaseDataLoaderIter.__next__

    @functools.wraps(made)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        session.loaders.made(self)

    @functools.wraps(iterate)
    def begin(self: Any) -> Any:
        iterator = iterate(self)
        if session.here:
            iterator._sagehound = session.loaders.began_pass(self)  # type: ignore[attr-defined]
        return iterator

    @functools.wraps(advance)
    def following(self: Any) -> Any:
        known = getattr(self, "_sagehound", None)
        if known is None or not session.here:
            return advance(self)
        if session.plain.on and known.in_pass and torch.is_grad_enabled():
            return session.plain.batch(known, advance, self)
        session.loaders.loading()
        began = session.now()
        try:
            batch = advance(self)
        finally:  # a pass ends by an exception
            session.loaders.fetching = False
        session.loaders.loaded(known, session.now() - began)
        return batch

    patches.set(data.DataLoader, "__init__", init)
    patches.set(data.DataLoader, "__iter__", begin)
    patches.set(dataloader._BaseDataLoaderIter, "__next__", following)


def _amp(session: Session, patches: Patches) -> None:
    scaler = torch.amp.GradScaler
    scale, unscale, step = scaler.scale, scaler.unscale_, scaler.step

    @functools.wraps(scale)
    def scaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.is_enabled() and session.here:
            session.scaled("scale")
        return scale(self, *args, **kwargs)

    @functools.wraps(unscale)
    def unscaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = unscale(self, *args, **kwargs)
        if self.is_enabled() and session.here:
            session.scaled("unscale")
        return result

    @functools.wraps(step)
    def stepped(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.is_enabled() or not session.here:
            return step(self, optimizer, *args, **kwargs)
        known = session.optimizers.of(optimizer)
        before = known.steps
        result = step(self, optimizer, *args, **kwargs)
        session.scaled("step", skipped=known.steps == before)
        return result

    for name, wrapper in zip(_SCALER, (scaled, unscaled, stepped), strict=True):
        patches.set(scaler, name, wrapper)


def _clipping(session: Session, patches: Patches) -> None:
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        original = getattr(nn.utils, name)

        def clip(*args: Any, _original: Callable[..., Any] = original, **kwargs: Any) -> Any:
            if not torch.compiler.is_compiling() and not session.plain.on and session.here:
                session.clipped(args[0] if args else kwargs.get("parameters"))
            return _original(*args, **kwargs)

        wrapper = functools.wraps(original)(clip)
        patches.set(nn.utils, name, wrapper)
        patches.set(nn.utils.clip_grad, name, wrapper)


def _telling(original: Any, session: Session, tell: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not torch.compiler.is_compiling() and not session.plain.on and session.here:
            tell()
        return original(*args, **kwargs)

    return wrapper
