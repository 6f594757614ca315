"""Pictures that were trained on and come again in validation, changed a little: resized, cut, mirrored, saved again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from ..check_base import Check
from ..code_site import NOWHERE, Site
from ..session import Session
from ..state import Loader, Model
from .datasets import loader_site

SIDE = 8
"""Pictures are compared as so many grey fields a side, of mean 0 and length 1: light and contrast do not count."""
MOST_TRAINED, MOST_EVALUATED, PER_BATCH, MOST_DATASETS = 2_000, 300, 64, 8
FIRST_PASS, LATER = 3, 4
"""The pass through a validation dataset after which is judged first, and the factor to the next; at the end too."""
FEWEST = 30
"""Evaluated pictures from which on they are judged."""
NEAR, RATIO, SHARE = 0.1, 0.1, 0.05
"""A copy is nearer than this (the squared distance, halved), and nearer than a tenth of what the next evaluated picture
is; so many of those looked at, of which a twentieth is a finding, unless as many are as near the other way round."""


_Key = tuple[int, Site]
"""Of a dataset, by its id and where its loaders are made."""


@dataclass(slots=True)
class _Evaluated:
    """What was seen of a dataset in its first pass. A pass is one of a loader, by its id and its number."""

    loader: Loader
    first: tuple[int, int]
    latest: tuple[int, int]
    passes: int = 1
    parts: list[Tensor] = field(default_factory=list)


class NearDuplicates(Check):
    """No picture of validation is nearly one of training.

    What near is, the validation pictures say themselves: they are seen once in a pass, without augmentation, and the
    nearest other one is another picture. Where data is so simple that pictures are alike by chance, training pictures
    have neighbours in validation as near as those, and nothing is said.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._trained: list[Tensor] = []
        self._evaluated: dict[_Key, _Evaluated] = {}
        self._count = 0
        self._next = FIRST_PASS
        self._fresh = self._done = False

    def before_backward(self, root: Tensor) -> None:
        """Take a few training pictures, and judge now and then."""
        if self._done:
            return
        if max((item.passes for item in self._evaluated.values()), default=0) >= self._next:
            self._next *= LATER
            self._judge()
        if self.session.pace.watching and self._count < MOST_TRAINED:
            fields = _grid(self.session.inputs, SIDE)
            if fields is not None:
                self._trained.append(fields)
                self._count += len(fields)
                self._fresh = True

    def after_forward(self, model: Model, inputs: Tensor | None, outputs: Any) -> None:
        """Take the pictures of the first evaluation with each dataset, which may have a loader for each."""
        session, loader = self.session, self.session.loaders.current
        if session.grad or self._done or not model.trained or not session.pace.watches_evaluation():
            return
        if loader is None or loader.trains:
            return
        key, now = (id(loader.dataset), loader.made), (id(loader), loader.passes)
        if key not in self._evaluated:
            if len(self._evaluated) == MOST_DATASETS:
                return
            self._evaluated[key] = _Evaluated(loader, now, now)
        item = self._evaluated[key]
        item.passes += item.latest != now
        item.latest = now
        known = item.parts
        fields = _grid(inputs, 2 * SIDE) if now == item.first and sum(map(len, known)) < MOST_EVALUATED else None
        if fields is not None:
            known.append(fields)
            self._fresh = True

    def ended(self) -> None:
        """Judge what has been seen to the end."""
        if not self._done:
            self._judge()

    def _judge(self) -> None:
        fresh, self._fresh = self._fresh, False
        if not fresh:
            return
        if any(item.rule == "SplitsShareInputs" for item in self.session.findings.all):
            return  # the same inputs, not only nearly
        evaluated = {key: torch.cat(item.parts) for key, item in self._evaluated.items() if item.parts}
        if not self._trained or not evaluated or any(len(item) < FEWEST for item in evaluated.values()):
            return
        trained = torch.cat(self._trained)
        counts = {key: _copies(trained, fields) for key, fields in evaluated.items()}
        # Who evaluates on training data beside validation data wants to know both.
        if not all(copies >= max(3, SHARE * len(evaluated[key])) for key, copies in counts.items()):
            self.looked("NearDuplicates")
            return
        key = max(counts, key=lambda item: counts[item] / len(evaluated[item]))
        self._done = True
        self.found(
            "NearDuplicates",
            "Validation has pictures that are nearly the same as some of training, so its results are too good.",
            f"{counts[key]} of {len(evaluated[key])} validation pictures that were looked at are much nearer to one of "
            "training than to any other of validation: copies that were resized, cut, mirrored or saved again.",
            "Find copies before splitting, and keep all pictures of one scene on one side.",
            loader_site(self._evaluated[key].loader, self.session.sites.get("forward", NOWHERE)),
            [(self.session.step, counts[key] / len(evaluated[key]), SHARE)],
        )


def _grid(inputs: Tensor | None, side: int) -> Tensor | None:
    """Return the first pictures of a batch as grey fields, (pictures, side, side); None where it has no pictures."""
    if inputs is None or inputs.ndim != 4 or min(inputs.shape[2:]) < 2 * SIDE or inputs.shape[1] > 4:
        return None
    grey = inputs.detach()[:PER_BATCH].float().mean(dim=1, keepdim=True)
    grid = nn.functional.adaptive_avg_pool2d(grey, side)[:, 0].cpu()
    told = torch.isfinite(grid).all(dim=2).all(dim=1) & (grid.flatten(1).std(dim=1) > 1e-3)
    return grid[told]  # a plain picture is like every other one


def _unit(grid: Tensor) -> Tensor:
    """Return grids as rows of mean 0 and length 1."""
    rows = grid.flatten(1)
    rows = rows - rows.mean(dim=1, keepdim=True)
    length: Tensor = rows.norm(dim=1, keepdim=True)
    return rows / length.clamp(min=1e-9)


def _copies(trained: Tensor, evaluated: Tensor) -> int:
    """Return how many evaluated pictures are copies of training ones, 0 where as many would be by chance.

    Args:
        trained: grids of training pictures, (pictures, SIDE, SIDE).
        evaluated: finer grids of evaluated ones, (pictures, 2 * SIDE, 2 * SIDE).
    """
    # Their edges are left out, which augmentation cuts off or fills.
    rows, seen = _unit(trained[:, 1:-1, 1:-1]), _unit(nn.functional.avg_pool2d(evaluated, 2)[:, 1:-1, 1:-1])
    among = trained.new_full((len(evaluated), len(evaluated)), float("inf"))
    across = trained.new_full((len(evaluated), len(trained)), float("inf"))
    for moved in _moved(evaluated):
        among, across = torch.minimum(among, 1 - moved @ seen.T), torch.minimum(across, 1 - moved @ rows.T)
    among.fill_diagonal_(float("inf"))
    copies = _nearer(across, among)
    # By chance as many evaluated pictures would be that near to each other, and that far from as many of training.
    size = min(len(evaluated), len(trained))
    steps = torch.linspace(0, len(trained) - 1, size, device=trained.device).long()
    chance = _nearer(among, across[:, steps]) * len(trained) / size
    return copies if copies > 4 * chance else 0


def _moved(grids: Tensor) -> Iterator[Tensor]:
    """Yield the rows of grids as they are, mirrored, and moved by up to an eighth, as augmentation does."""
    inner = 2 * SIDE - 4
    for down, right, mirrored in product(range(5), range(5), (False, True)):
        part = grids[:, down : down + inner, right : right + inner]
        yield _unit(nn.functional.avg_pool2d(part.flip(2) if mirrored else part, 2))


def _nearer(one: Tensor, other: Tensor) -> int:
    """Return how many rows have a neighbour in one set much nearer than any in the other."""
    near = one.min(dim=1).values.clamp(min=0)
    return int(((near < NEAR) & (near < RATIO * other.min(dim=1).values)).sum())
