"""Small, detached looks at big tensors: samples of bounded size and reductions over the whole.

Everything stays on the tensor's own device until `to_saved` brings a step's worth over at once, so that a GPU is
waited for once per saved step and never otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .writer import REDUCTIONS_PREFIX, Saved

MAX_ELEMENTS = 4096
"""A tensor with more elements is saved as a sample of at most so many, with reductions over all of it."""
INPUT_ROWS, INPUT_VALUES = 64, 64
ACTIVITY_PICTURES, ACTIVITY_SAMPLES = 32, 288
RELUS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU)
DYING_RELUS = (nn.ReLU, nn.ReLU6)


@dataclass(slots=True)
class Look:
    """A sample of a tensor, and its reductions min, max, mean, std, mean of |x| where it is only a sample."""

    name: str
    sample: Tensor
    shape: tuple[int, ...]
    reductions: Tensor | None = None


def look(name: str, tensor: Tensor, most: int = MAX_ELEMENTS) -> Look:
    """Return a flat, evenly spread sample, of at most `most`, of a parameter or gradient; the whole of a small one."""
    tensor = tensor.detach()
    shape = tuple(tensor.shape)
    if tensor.numel() <= most:
        return Look(name, tensor.float().clone(), shape)
    flat = tensor.flatten()
    sample = flat[:: math.ceil(flat.numel() / most)].float().clone()
    low, high = torch.aminmax(flat)
    flat, count = flat.float(), flat.numel()
    mean, length = flat.mean(), torch.linalg.vector_norm(flat)
    # torch.std takes four times as long as everything else here together.
    std = (length * (length / count) - mean * mean).clamp(min=0).sqrt()
    reductions = torch.stack([low.float(), high.float(), mean, std, torch.linalg.vector_norm(flat, 1) / count])
    return Look(name, sample, shape, reductions)


def look_at_rows(name: str, tensor: Tensor) -> Look:
    """Return logits (N, classes) or labels (N,): the first rows that fit."""
    rows = max(1, MAX_ELEMENTS // max(1, tensor[0].numel()))
    sample = tensor.detach()[:rows]
    # bfloat16 has no number in the format of tfevents.
    return Look(name, sample.float() if sample.dtype == torch.bfloat16 else sample.clone(), tuple(tensor.shape))


def look_at_inputs(name: str, tensor: Tensor) -> Look:
    """Return up to 64 rows of a batch, of each up to 64 values: (N, D) thinned, or (N, 3, H, W) as small pictures.

    Which values does not depend on the batch, so that the same picture gives the same row wherever it turns up.
    """
    tensor = tensor.detach()[:: _step(len(tensor), INPUT_ROWS)]
    if tensor.ndim == 4:
        side = max(1, math.isqrt(INPUT_VALUES // tensor.shape[1]))
        sample = tensor[:, :, :: _step(tensor.shape[2], side), :: _step(tensor.shape[3], side)]
    else:
        sample = tensor.flatten(1)[:, :: _step(tensor[0].numel(), INPUT_VALUES)]
    return Look(name, sample.float().clone(), tuple(tensor.shape))


def look_at_activation(name: str, tensor: Tensor) -> Look:
    """Return a sample of (N, C, …) or (N, C) that keeps every channel: some pictures, some places."""
    tensor = tensor.detach()
    shape = tuple(tensor.shape)
    if tensor.numel() > MAX_ELEMENTS and tensor.ndim >= 2:
        room = max(1, MAX_ELEMENTS // tensor.shape[1])
        pictures = min(tensor.shape[0], 4 if tensor.ndim > 2 else room)
        tensor = tensor[: min(pictures, room)]
        room //= tensor.shape[0]
        for axis in range(2, tensor.ndim):
            side = max(1, int(room ** (1 / (tensor.ndim - axis))))
            tensor = tensor.movedim(axis, 0)[:: _step(tensor.shape[axis], side)].movedim(0, axis)
            room //= tensor.shape[axis]
    return Look(name, tensor.float().clone(), shape)


def activity(name: str, outputs: Tensor) -> Look:
    """Return the share of outputs of each channel that are not zero: (C,).

    Over up to 32 pictures and a few places in each: some 256 outputs of a channel are enough to tell an activity of
    1 %, and all of them would cost more than the rest of the step's saving.
    """
    outputs = outputs.detach()[:ACTIVITY_PICTURES]
    if outputs.ndim < 2:
        return Look(name, (outputs != 0).float().mean().reshape(1), (1,))
    if outputs.ndim == 4:
        side = max(1, math.isqrt(ACTIVITY_SAMPLES // len(outputs)))
        outputs = outputs[:, :, :: _step(outputs.shape[2], side), :: _step(outputs.shape[3], side)]
    # As rows of channels of float32: sums along the last axis but one are fast, those of booleans are not.
    rows = outputs.movedim(1, -1).reshape(-1, outputs.shape[1])
    share = (rows != 0).float().mean(dim=0)
    return Look(name, share, tuple(share.shape))


def to_saved(looks: Sequence[Look]) -> list[Saved]:
    """Bring all of a step's looks to the CPU in one transfer per dtype, and name their reductions as smdebug does."""
    looks = [item for item in looks if item.sample.numel()]
    groups: dict[torch.dtype, list[tuple[Look, bool]]] = {}
    for item in looks:
        groups.setdefault(item.sample.dtype, []).append((item, False))
        if item.reductions is not None:
            groups.setdefault(item.reductions.dtype, []).append((item, True))
    arrays: dict[tuple[int, bool], Tensor] = {}
    for members in groups.values():
        parts = [item.reductions if reduced else item.sample for item, reduced in members]
        flat = torch.cat([part.reshape(-1) for part in parts if part is not None]).cpu()
        start = 0
        for (item, reduced), part in zip(members, parts, strict=True):
            assert part is not None
            arrays[id(item), reduced] = flat[start : start + part.numel()].reshape(part.shape)
            start += part.numel()
    saved = []
    for item in looks:
        saved.append(Saved(item.name, arrays[id(item), False], item.shape))
        if item.reductions is not None:
            values = arrays[id(item), True]
            for kind, value in zip(("min", "max", "mean", "std", "abs_mean"), values, strict=True):
                saved.append(Saved(f"{REDUCTIONS_PREFIX}{kind}/{item.name}", value))
    return saved


def _step(size: int, wanted: int) -> int:
    return max(1, math.ceil(size / wanted))
