"""What the training costs the machine: waiting for data, memory, and processes that drift apart."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..check_base import Check
from ..code_site import NOWHERE
from ..session import Session
from ..state import Loss, Model, Optimizer, snapshot, tensors_in

FROM, STEPS = 4, 12
STARVED, LONG_WAIT = 0.7, 0.02
KEPT, MOST_OUTPUTS = 6, 4
_LOOK_EVERY_S = 0.5
_GROWTH, _MEGABYTES = 0.2, 200.0


class Starvation(Check):
    """Less than the better part of a step is spent waiting for data."""

    always = frozenset({"stepped"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._last, self._at = 0.0, 0
        self._waited = self._whole = 0.0
        self._steps = 0

    def stepped(self) -> None:
        """Add up what the steps since the last call took, and what of it was waiting."""
        now = self.session.now()
        if self.session.step >= FROM and self._last and self.session.loaders.current is not None:
            whole = now - self._last
            if self.session.loaders.waited <= whole:  # not an evaluation's loading
                self._waited += self.session.loaders.waited
                self._whole += whole
                self._steps += self.session.step - self._at
        self._last, self._at = now, self.session.step
        if self._steps < STEPS:
            return
        share, each = self._waited / max(self._whole, 1e-9), self._waited / self._steps
        loader = self.session.loaders.current
        if share <= STARVED or each <= LONG_WAIT:
            self.looked("LoaderStarves")
        else:
            inner = loader.loader() if loader is not None else None
            workers = getattr(inner, "num_workers", 0)
            self.found(
                "LoaderStarves",
                f"{100 * share:.0f} % of each step is spent waiting for the next batch.",
                f"Over {self._steps} steps a batch took {1000 * each:.3g} ms; the loader has {workers} workers.",
                f"Give the DataLoader more workers (num_workers={max(2, 2 * workers)}), or prepare the data once.",
                loader.made if loader is not None else NOWHERE,
                [(self.session.step, share, STARVED)],
            )
        self._waited = self._whole = 0.0
        self._steps = 0


class _Mark:
    """Belongs to a graph, and is gone when the graph is."""


class Memory(Check):
    """Graphs of old steps are released, and memory stays where it came to in the first half."""

    always = frozenset({"stepped"})

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._marks: deque[tuple[int, str, weakref.ref[_Mark]]] = deque(maxlen=40)
        self._next = 0.0
        self._sizes: list[tuple[int, float]] = []

    def computed(self, loss: Loss) -> None:
        """Mark the graph of a training loss."""
        if loss.trains and self.session.pace.watching:
            self._mark((loss.value,), "loss")

    def after_forward(self, model: Model, inputs: Tensor | None, outputs: Any) -> None:
        """Mark the graph of the outputs."""
        if self.session.grad and self.session.pace.watching:
            self._mark(itertools.islice(tensors_in(outputs), MOST_OUTPUTS), "outputs")

    def _mark(self, values: Iterable[Tensor], what: str) -> None:
        """Mark the graphs of some tensors by one mark, which is there as long as any of them is."""
        step = self.session.step
        # One of each step: where gradients of many batches are added up there would be no room for many steps.
        if any(at == step and kind == what for at, kind, _ in self._marks):
            return
        mark = _Mark()
        for value in values:
            if value.grad_fn is not None:
                held: Any = value.grad_fn.metadata
                held["sagehound"] = mark
        self._marks.append((step, what, weakref.ref(mark)))

    def stepped(self) -> None:
        """Count the marks of steps long over that are still there, and look at the memory now and then."""
        step = self.session.step
        if self.session.pace.watching and step >= KEPT + 3:
            for what in ("loss", "outputs"):
                old = [at for at, kind, mark in self._marks if kind == what and at <= step - 3 and mark() is not None]
                if len(set(old)) >= KEPT:
                    self._kept(what, len(set(old)))
                    return
            self.looked("MemoryGrows")
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LOOK_EVERY_S
            self._sizes.append((step, _megabytes()))
            if len(self._sizes) >= 60 and len(self._sizes) % 20 == 0:
                self._grows()

    def _kept(self, what: str, count: int) -> None:
        self.found(
            "MemoryGrows",
            f"The {what} of every step {'is' if what == 'loss' else 'are'} kept with its graph, so memory grows.",
            f"The graphs of {count} earlier steps are still held.",
            "Add up loss.item() instead of loss." if what == "loss" else "Keep outputs.detach(), not outputs.",
            self.session.sites.get("loss" if what == "loss" else "forward", NOWHERE),
        )

    def _grows(self) -> None:
        half = self._sizes[len(self._sizes) // 2 :]
        first, last = half[0][1], half[-1][1]
        rising = sum(b >= a for (_, a), (_, b) in itertools.pairwise(half)) > 0.8 * (len(half) - 1)
        if rising and last - first > max(_MEGABYTES, _GROWTH * first):
            self.found(
                "MemoryGrows",
                "Memory still grows in the second half of the training.",
                f"From step {half[0][0]} to {half[-1][0]} it went from {first:.0f} to {last:.0f} MB.",
                "Look for lists that keep tensors, and for caches in the dataset.",
                self.session.sites.get("step", NOWHERE),
                [(step, size, None) for step, size in half],
            )


_OTHERS_SECONDS = 5.0
"""How long the first process waits at its end for the parameters of the others, where none of theirs are known yet."""


class Replicas(Check):
    """All processes of a distributed training hold the same parameters after each step."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._sums: dict[str, dict[int, float]] = {}

    def after_step(self, known: Optimizer) -> None:
        """Write the sum of this process's parameters, and compare with those of the others."""
        session = self.session
        if known is not session.optimizers.main or not session.pace.heavy or session.findings.output is None:
            return
        if int(os.environ.get("WORLD_SIZE", "1") or 1) < 2 and not _is_distributed():
            return
        rank = _rank()
        folder = session.findings.output / "watch"
        folder.mkdir(parents=True, exist_ok=True)
        total = float(snapshot(list(known.parameters())).double().abs().sum())
        self._sums.setdefault(str(rank), {})[session.step] = total
        (folder / f"rank-{rank}.json").write_text(json.dumps(self._sums[str(rank)]), encoding="utf-8")
        if rank == 0:
            self._compare({int(step): value for step, value in self._sums["0"].items()})

    def ended(self) -> None:
        """Compare once more, with what the others wrote last; processes that are apart may still be on their way."""
        if "0" not in self._sums:
            return
        ours, until = self._sums["0"], time.monotonic() + _OTHERS_SECONDS
        while len(ours) > 1 and self._compare(ours) < 2 and time.monotonic() < until:
            time.sleep(0.1)

    def _compare(self, ours: dict[int, float]) -> int:
        """Compare with what the others have written; returns how many steps are known of one other at least."""
        most = 0
        assert self.session.findings.output is not None
        for file in sorted((self.session.findings.output / "watch").glob("rank-*.json")):
            try:
                theirs = {int(step): float(value) for step, value in json.loads(file.read_text("utf-8")).items()}
            except (OSError, ValueError):
                continue
            if file.stem != "rank-0":
                most = max(most, len(ours.keys() & theirs.keys()))
            apart = [at for at in ours.keys() & theirs.keys() if abs(ours[at] - theirs[at]) > 1e-4 * abs(ours[at])]
            if len(apart) >= 2:
                self.found(
                    "ReplicasDiverge",
                    "The processes of this training hold different parameters: their gradients are not averaged.",
                    f"{file.stem} and rank-0 differ after {len(apart)} of the steps that were compared.",
                    "Wrap the model in DistributedDataParallel and call it, not model.module; start from one seed.",
                    self.session.sites.get("forward", NOWHERE),
                )
                return most
            self.looked("ReplicasDiverge")
        return most


def _is_distributed() -> bool:
    distributed: Any = sys.modules.get("torch.distributed")
    return bool(distributed is not None and distributed.is_available() and distributed.is_initialized())


def _rank() -> int:
    if _is_distributed():
        return int(torch.distributed.get_rank())
    return int(os.environ.get("RANK", "0") or 0)


def _megabytes() -> float:
    """Return the memory of this process, and of the device it uses most."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.memory_allocated() / 1e6
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0
