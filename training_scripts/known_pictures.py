"""What a training's pictures look like to its model: by that the model knows afterwards what it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from training_scripts.network import Strangeness, mean_of_views
from training_scripts.running import Run, autocast
from training_scripts.sources import Source
from training_scripts.unknown import (
    MOST_JUDGED,
    MOST_POINTS,
    Gauge,
    Known,
    gauge_of,
    learn_known,
    read_known,
    some_of_all,
    some_of_each,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network says of N pictures: `features` (N, dim) and `labels` (N,), on the CPU, `positions` (N,)."""

    features: Tensor
    labels: Tensor
    positions: NDArray[np.int64]


def learn_unknown(run: Run) -> Gauge | None:
    """Let the model say how strange a picture is; returns from when on that is too strange.

    It must not have learned the valid pictures yet. Over frozen features all trials know the same pictures, and what
    these look like is with the features; else the network, as it is after its training, looks at some of train once
    more. None where the training was stopped or there is too little to go by.
    """
    sources, file = run.setup.sources, run.setup.known_file
    if file is None and (run.stopped or run.setup.backbone_state is not None):
        return None
    train = None
    if file is None or "valid" not in sources:
        train = features_of(run, sources["train"], some_of_each(sources["train"].labels, MOST_POINTS))
        if train is None:
            return None
    if file is not None:
        known: Known | None = read_known(file)
    else:
        assert train is not None
        known = _learned(sources["train"], train)
    if known is None:
        return None
    if "valid" in sources:
        seen = features_of(run, sources["valid"], some_of_all(len(sources["valid"]), MOST_JUDGED))
        gauge = None if seen is None else gauge_of(known.distances(seen.features.numpy()), _logits(run, seen.features))
    else:
        assert train is not None
        gauge = gauge_of(known.distances(train.features.numpy(), itself=True), None)
    if gauge is not None:
        run.setup.known = known
        run.model.strangeness = Strangeness(known, gauge).to(run.setup.device)
    return gauge


def features_of(run: Run, source: Source, positions: NDArray[np.int64] | None = None) -> Seen | None:
    """Return what the network says of a source's pictures, or of some; None if none of them can be read.

    None also after a request to stop while pictures are read, and then `run.stopped` is set.
    """
    run.model.eval()
    parts: list[tuple[Tensor, Tensor, NDArray[np.int64]]] = []
    with torch.no_grad():
        for batch in source.evaluation_batches(run.args.batch_size, positions):
            if run.stop.requested and run.setup.world.size == 1 and run.setup.backbone_state is None:
                run.stopped = True
                return None
            if len(batch.labels):
                with autocast(run):
                    features = mean_of_views(run.model.backbone, batch.inputs)
                parts.append((features.float().cpu(), batch.labels.cpu(), batch.positions))
    gathered = [part for theirs in run.setup.world.gather(parts) for part in theirs]
    if not gathered:
        return None
    rows, labels, places = zip(*gathered, strict=True)
    return Seen(torch.cat(rows), torch.cat(labels), np.concatenate(places))


def _learned(source: Source, seen: Seen) -> Known | None:
    hashes = [source.hashes[place] for place in seen.positions.tolist()] if len(source.hashes) else []
    return learn_known(seen.features.numpy(), hashes)


def _logits(run: Run, features: Tensor) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = run.model.logits(features.to(run.setup.device)).float().cpu().numpy()
        return found
