"""Whether a picture shows something that was never learned: how strange its features are beside those of known ones.

A network gives one of its classes to everything. Two signs tell of what it has not learned, and together they tell more
than each: its features have no near neighbours among those of the training pictures (Sun et al., "Out-of-Distribution
Detection with Deep Nearest Neighbors", 2022), and no class speaks up for it (Hendrycks et al., "Scaling
Out-of-Distribution Detection for Real-World Settings", 2022). No torch here; `model.Strangeness` computes the same
inside the network.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training_scripts.durable import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN_FILE = "known.npz"
"""The file of a model or of a channel of features that `Known` is kept in."""
COVERAGE = 0.95
"""The share of pictures of known classes that is to be answered."""
MOST_POINTS, MOST_JUDGED, DIRECTIONS = 2048, 4096, 128
"""Training pictures that are kept, pictures that the threshold is chosen by, and directions: 0.9 MB for any dataset."""
_SMALLEST = 1e-8
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Known:
    """What the features of training pictures look like; the same for every head over the same features.

    Attributes:
        centre: their mean, (dim,).
        basis: the directions in which they differ most, (directions, dim), at right angles and of length 1.
        points: training pictures less the centre in these directions, (points, directions), divided by their length in
            all directions.
        hashes: the SHA-256 of each of these pictures in hexadecimal; empty where they are not known.
    """

    centre: NDArray[np.float32]
    basis: NDArray[np.float32]
    points: NDArray[np.float32]
    hashes: tuple[str, ...] = ()

    def distances(self, features: NDArray[np.float32], itself: bool = False) -> NDArray[np.float32]:
        """Return how far each of `features` (N, dim) is from known ones, (N,): 0 for the same, 2 for the opposite.

        It is one less the cosine to the nearest training picture, seen from the centre. `itself`: these are training
        pictures, of which each is its own nearest.
        """
        neighbour = min(1 + itself, len(self.points))
        centred = features.astype(np.float32) - self.centre
        lengths = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _SMALLEST)
        cosines = (centred @ self.basis.T) @ self.points.T / lengths
        return 1 - np.partition(cosines, -neighbour, axis=1)[:, -neighbour]


@dataclass(frozen=True, slots=True)
class Gauge:
    """How strange is too strange for one model; as model.json has it.

    Attributes:
        distance: mean and standard deviation of the distances of pictures that it has not learned.
        surprise: those of their largest logits, with the sign turned; None where there were no such pictures.
        threshold: a picture that is stranger is unknown.
        coverage: the share of pictures of known classes that are less strange, 0…1, as the threshold was chosen.
        judged_on: "valid", or "train" where there are no valid pictures, each without itself.
        pictures: how many pictures these figures come from.
    """

    distance: tuple[float, float]
    surprise: tuple[float, float] | None
    threshold: float
    coverage: float
    judged_on: str
    pictures: int

    def to_card(self) -> dict[str, Any]:
        """Return what model.json says of it."""
        return {"file": KNOWN_FILE, **asdict(self)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Gauge:
        """Read what `to_card` returned.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        pairs = [None if card[name] is None else tuple(map(float, card[name])) for name in ("distance", "surprise")]
        if pairs[0] is None or any(pair is not None and len(pair) != 2 for pair in pairs):
            raise ValueError("mean and standard deviation are missing")
        threshold, coverage = float(card["threshold"]), float(card["coverage"])
        return cls(pairs[0], pairs[1], threshold, coverage, str(card["judged_on"]), int(card["pictures"]))  # type: ignore[arg-type]


def learn_known(features: NDArray[np.float32], hashes: Sequence[str] = ()) -> Known | None:
    """Return what is known after training on `features` (N, dim) of pictures with these SHA-256; None if too little."""
    if len(features) < 2 or not np.isfinite(features).all():
        return None
    features = features.astype(np.float32)
    centre = features.mean(axis=0)
    basis = _directions(features - centre).astype(np.float16).astype(np.float32)  # as it is kept
    if not len(basis):
        return None
    centred = features - centre
    lengths = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _SMALLEST)
    points = (centred @ basis.T / lengths).astype(np.float16).astype(np.float32)
    return Known(centre, basis, points, tuple(hashes) if all(hashes) else ())


def nearest(known: Known, coordinates: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
    """Return the SHA-256 and the distance (0…2) of the training pictures nearest to one, nearest first.

    Its `coordinates`, (directions,), are those that `model.Strangeness` gives. None where the pictures are not known.
    """
    if not known.hashes:
        return []
    distances = 1 - known.points @ coordinates
    return [(known.hashes[place], float(distances[place])) for place in np.argsort(distances, kind="stable")[:count]]


def gauge_of(
    distances: NDArray[np.float32], logits: NDArray[np.float32] | None, coverage: float = COVERAGE
) -> Gauge | None:
    """Return how strange is too strange, going by `distances` (N,) and `logits` (N, classes) of pictures not learned.

    Without logits the distances are those of training pictures. None where there is nothing to go by.
    """
    if not len(distances) or (logits is not None and not np.isfinite(logits).all()):
        return None
    distance = _mean_and_deviation(distances)
    surprise = None if logits is None else _mean_and_deviation(-logits.max(axis=1))
    judged_on = "train" if logits is None else "valid"
    without = Gauge(distance, surprise, math.inf, coverage, judged_on, len(distances))
    found = strangeness(without, distances, logits)
    return Gauge(distance, surprise, threshold_for(found, coverage), coverage, judged_on, len(distances))


def strangeness(
    gauge: Gauge, distances: NDArray[np.float32], logits: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return how strange pictures are, (N,): 0 for a usual one, 1 for one that is a standard deviation off."""
    found = (distances - gauge.distance[0]) / gauge.distance[1]
    if gauge.surprise is not None and logits is not None:
        found = (found + (-logits.max(axis=1) - gauge.surprise[0]) / gauge.surprise[1]) / 2
    return found


def threshold_for(values: NDArray[np.float32], coverage: float) -> float:
    """Return what keeps `coverage` of pictures like those of `values` (N,) below it, for N above 0.

    A new picture of a known class is less strange with at least that probability (split conformal prediction, Vovk et
    al., 2005); where there are too few pictures to say so, the strangest of them is the threshold.
    """
    place = min(math.ceil((len(values) + 1) * coverage), len(values))
    return float(np.sort(values)[place - 1])


def some_of_each(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the positions of at most `most` of the pictures, in order, of each class as many as of another."""
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    return np.sort(by_class[np.argsort(rank, kind="stable")[:most]])


def some_of_all(count: int, most: int) -> NDArray[np.int64]:
    """Return the positions of at most `most` of `count` pictures, in order, drawn alike."""
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def write_known(known: Known, file: Path) -> None:
    """Keep it in a file; the same content gives the same bytes."""
    buffer = io.BytesIO()
    arrays = {
        "centre": known.centre,
        "basis": known.basis.astype(np.float16),
        "points": known.points.astype(np.float16),
        "hashes": np.frombuffer(bytes.fromhex("".join(known.hashes)), np.uint8).reshape(-1, _HASH_BYTES),
    }
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(file, buffer.getvalue(), flushed=False)


def read_known(file: Path) -> Known:
    """Read the file.

    Raises:
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as found:
            centre, basis, points = (found[name].astype(np.float32) for name in ("centre", "basis", "points"))
            known = Known(centre, basis, points, tuple(row.tobytes().hex() for row in found["hashes"]))
    except (KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{file.name} is damaged: {error}") from error
    fits = basis.shape == (points.shape[1], len(centre)) and len(known.hashes) in (0, len(points))
    if not fits or not len(points):
        raise ValueError(f"the parts of {file.name} do not fit together")
    return known


def _directions(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the directions of largest variance, (at most DIRECTIONS, dim)."""
    inputs = centred.astype(np.float64)
    fewer = len(inputs) < inputs.shape[1]
    sizes, vectors = np.linalg.eigh(inputs @ inputs.T if fewer else inputs.T @ inputs)
    kept = [place for place in range(len(sizes))[::-1] if sizes[place] > 1e-10 * max(sizes[-1], 1e-300)][:DIRECTIONS]
    found = vectors[:, kept].T
    if fewer:
        found = (found @ inputs) / np.sqrt(sizes[kept])[:, None]
    return found.astype(np.float32)


def _mean_and_deviation(values: NDArray[np.float32]) -> tuple[float, float]:
    return float(values.mean()), max(float(values.std()), 1e-6)
