"""From files to rows of features: who reads, who decodes, what computes, and how they share the cores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from training_scripts import data, decoders, runtime
from training_scripts.backbones import Preprocessing
from training_scripts.durable import is_whole, same_file, seal, write_text
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.weights import Weights, write_state

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

TORCH_BATCH = 32
BACKBONE_STATE = "backbone.pth"
_CONVERTED = ("forward.xml", "forward.bin")
_NETWORK = "network.json"
"""What a converted network depends on: stores that differ in how pictures are framed, or in views, have the same."""
REFUSED = "refused.txt"
"""The file in a store's folder that says that OpenVINO cannot compute its network."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture: its content's SHA-256 and its features (dim,), or why it has none."""

    sha256: str
    features: NDArray[np.float32] | None
    reason: str = ""


def extractor_of(
    backbone: str, preprocessing: Preprocessing, weights: Weights, name: str, folder: Path, threads: int
) -> Callable[[Sequence[Path]], Iterator[Row]] | None:
    """Return what computes rows of files; None if OpenVINO cannot do this network, which the folder remembers."""
    saved = folder / _CONVERTED[0]
    bfloat16 = name == runtime.BFLOAT16
    about = _about_network(preprocessing) | {"weights": weights.identity, "runtime": runtime.version(name)}
    if name != "torch" and (_has_network(folder) or _take_network(folder, backbone, about)):
        forward = runtime.openvino_forward(saved, threads, bfloat16=bfloat16)
        return partial(_rows_in_pairs, preprocessing, forward, threads)
    from training_scripts.network import build_backbone

    network = build_backbone(backbone, weights).eval()
    write_state(folder / BACKBONE_STATE, network.state_dict())
    seal(folder, [BACKBONE_STATE])
    one = replace(preprocessing, views=1)
    if name == "torch":
        return partial(_rows_in_batches, preprocessing, runtime.torch_forward(network, one), threads)
    model = runtime.convert(network, one, bfloat16)
    if model is None:
        write_text(folder / REFUSED, "OpenVINO could not compute this network, or not as torch does.\n", flushed=False)
        return None
    runtime.save(model, saved)
    write_text(folder / _NETWORK, json.dumps(about, sort_keys=True), flushed=False)
    seal(folder, [*_CONVERTED, BACKBONE_STATE, _NETWORK])
    forward = runtime.openvino_forward(saved, threads, bfloat16=bfloat16)
    return partial(_rows_in_pairs, preprocessing, forward, threads)


def _about_network(preprocessing: Preprocessing) -> dict[str, Any]:
    """Return what of the preprocessing is inside a converted network: it takes one square, however that is cut out."""
    kept = preprocessing.to_json()
    return {name: kept[name] for name in ("size", "mean", "std")}


def _has_network(folder: Path) -> bool:
    return is_whole(folder, [*_CONVERTED, BACKBONE_STATE, _NETWORK])


def _take_network(folder: Path, backbone: str, about: Mapping[str, Any]) -> bool:
    """Whether another store had the same network, which this one has now too: to convert it takes seconds."""
    for other in folder.parent.glob(f"{backbone}-*"):
        try:
            if other == folder or read_json(other / _NETWORK) != about or not _has_network(other):
                continue
            for file in (*_CONVERTED, BACKBONE_STATE, _NETWORK):
                same_file(other / file, folder / file, flushed=False)
            seal(folder, [*_CONVERTED, BACKBONE_STATE, _NETWORK])
            if _has_network(other):  # it was not about to be removed or written again meanwhile
                return True
        except UNUSABLE:
            continue
    return False


def converted_backbone(
    stores: Path, backbone: str, preprocessing: Preprocessing, state: Mapping[str, Tensor]
) -> Path | None:
    """Return a backbone's network as OpenVINO has it, where features were computed by this very one; else None.

    It takes one view of a picture. A store that cannot be read, or goes away meanwhile, has none.
    """
    import torch

    wanted = _about_network(preprocessing)
    for folder in stores.glob(f"{backbone}-*"):
        try:
            if not _has_network(folder) or not wanted.items() <= read_json(folder / _NETWORK).items():
                continue
            kept = torch.load(folder / BACKBONE_STATE, map_location="cpu", weights_only=True, mmap=True)
            if kept.keys() == state.keys() and all(torch.equal(kept[name], state[name]) for name in kept):
                return folder / _CONVERTED[0]
        except Exception as error:  # of whatever kind torch has: the network is converted whole then
            print(f"{folder.name} is not used: {' '.join(str(error).split())[:200]}", flush=True)
    return None


def _rows_in_pairs(
    preprocessing: Preprocessing, forward: runtime.Forward, threads: int, files: Sequence[Path]
) -> Iterator[Row]:
    """Compute in threads that decode two pictures each: no queue, no idle core, whatever the two cost.

    Two share one reading of the weights, which decoding has driven out of the processor's cache.
    """

    def rows(pair: Sequence[Path]) -> list[Row]:
        found = [decoders.read(preprocessing, file) for file in pair]
        pictures = [picture for _, picture, _ in found if picture is not None]
        features = iter(_features(forward, pictures) if pictures else ())
        return [Row(sha256, None if picture is None else next(features), why) for sha256, picture, why in found]

    # Pillow gives memory back after every picture otherwise, and the system clears it again for the next.
    Image.core.set_blocks_max(4 * threads)  # type: ignore[attr-defined]
    # Far enough ahead that no thread waits while the rows so far are written to the disk.
    pairs = [files[at : at + 2] for at in range(0, len(files), 2)]
    return chain.from_iterable(data.in_threads(rows, pairs, threads, 16 * threads))


def _rows_in_batches(
    preprocessing: Preprocessing, forward: runtime.Forward, threads: int, files: Sequence[Path]
) -> Iterator[Row]:
    """Decode ahead; batches go through the network, which is faster so under torch."""
    waiting: list[tuple[str, NDArray[np.uint8]]] = []
    if runtime.has_gpu() and threads >= decoders.LEAST_PROCESSES:
        read = decoders.read_in_processes(preprocessing, files, threads)
    else:
        read = decoders.read_in_threads(preprocessing, files, threads, 2 * TORCH_BATCH)
    for sha256, picture, reason in read:
        if picture is None:
            # In order: what came before this picture goes first.
            yield from _forwarded(forward, waiting)
            waiting = []
            yield Row(sha256, None, reason)
            continue
        waiting.append((sha256, picture))
        if len(waiting) == TORCH_BATCH:
            yield from _forwarded(forward, waiting)
            waiting = []
    yield from _forwarded(forward, waiting)


def _forwarded(forward: runtime.Forward, waiting: list[tuple[str, NDArray[np.uint8]]]) -> Iterator[Row]:
    """Yield the rows of a batch, which do not depend on how many there are: a machine's share has them to the bit.

    Torch takes other kernels for other sizes, so a batch that is not full is filled with its first picture.
    """

    def filled(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = []
        for at in range(0, len(squares), TORCH_BATCH):
            some = squares[at : at + TORCH_BATCH]
            lacking = TORCH_BATCH - len(some)
            parts.append(forward(np.concatenate([some, *[some[:1]] * lacking]))[: len(some)])
        return np.concatenate(parts)

    if waiting:
        features = _features(filled, [picture for _, picture in waiting])
        for (sha256, _), row in zip(waiting, features, strict=True):
            yield Row(sha256, row)


def _features(forward: runtime.Forward, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return the features of pictures, (N, dim): of several views their mean, of which equal ones are computed once."""
    if pictures[0].ndim == 3:
        return forward(np.stack(pictures))
    squares: list[NDArray[np.uint8]] = []
    places = []
    for picture in pictures:
        seen: dict[bytes, int] = {}
        for square in picture:
            if (content := square.tobytes()) not in seen:
                seen[content] = len(squares)
                squares.append(square)
            places.append(seen[content])
    rows = forward(np.stack(squares))
    views = rows[places].reshape(len(pictures), -1, rows.shape[1])
    found: NDArray[np.float32] = views.mean(axis=1, dtype=np.float32)
    return found
