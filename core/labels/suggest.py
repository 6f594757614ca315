"""What to label next, what the unlabelled pictures probably are, and when more labels stop paying.

First the most typical picture of each cluster that has no label yet; then, spread over clusters, those between whose
two likeliest classes there is the least difference. Guesses are the product of what a refitted head says and of labels
spread over the graph of nearest neighbours (Zhou 2004): the graph knows more from few labels, the head from many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.features.dataset_features import PictureFeatures
from core.features.neighbours import kmeans, nearest
from core.features.space import space_of
from core.labels.head import Head, fit
from core.progress import CancelToken

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLUSTERS = 50
"""So many typical pictures are asked for before doubtful ones."""

SURE = 0.95
"""A guess of this probability is one that a person may accept unseen."""

_FEW, _UNSURE = 3, 0.9
"""No guess is surer than that of a class with fewer labels than this, nor in a cluster where no picture has a label:
it may be of a class that no label names yet."""

_NEIGHBOURS, _ALPHA, _ROUNDS, _ROUNDS_ON = 10, 0.9, 20, 6
_RECENT = 30
_SETTLED = 0.01


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A picture to label next, its probable class and how probable that is; without any label yet: None and 0."""

    path: str
    label: str | None
    probability: float


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What is known of the unlabelled pictures.

    Attributes:
        next: what to label next, best first.
        guesses: the probable class of every unlabelled picture and its probability, by path.
        labelled, total: pictures with a label, and all.
        sure: the share of the unlabelled ones that are guessed with a probability of `SURE` at least.
        expected_accuracy: the mean probability of the guesses; None without labels of two classes.
        unlike: how many of the unlabelled ones are in clusters where no picture has a label: maybe of further classes.
        changed: the share of guesses that differ from those of the last time.
        enough: more labels would hardly change what is guessed.
    """

    next: tuple[Suggestion, ...]
    guesses: Mapping[str, tuple[str, float]]
    labelled: int
    total: int
    sure: float = 0.0
    expected_accuracy: float | None = None
    unlike: int = 0
    changed: float = 1.0
    enough: bool = False

    def sure_ones(self) -> dict[str, str]:
        """Return the class of every picture, by path, whose guess a person may accept unseen."""
        return {path: label for path, (label, probability) in self.guesses.items() if probability >= SURE}


class Suggester:
    """Knows a dataset's pictures by their features; asked again after every change of a label. Not thread-safe.

    Raises:
        Cancelled: through `cancel`.
    """

    def __init__(self, features: PictureFeatures, cancel: CancelToken | None = None) -> None:
        from scipy import sparse  # here: it takes a while, and the window paints before it

        self._pictures = features.pictures
        self._space = space_of(features.matrix)
        near = nearest(self._space.unit, _NEIGHBOURS, cancel)
        count = len(self._pictures)
        weights = np.maximum(near.cosine, 0.0) ** 3
        rows = np.repeat(np.arange(count), near.index.shape[1])
        graph: Any = sparse.csr_matrix((weights.ravel(), (rows, near.index.ravel())), shape=(count, count))
        graph = graph.maximum(graph.T)
        scale = sparse.diags(1.0 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-9)))
        self._graph: Any = (scale @ graph @ scale).astype(np.float32).tocsr()
        centres, self._member = kmeans(self._space.unit, min(CLUSTERS, max(1, count // 4)), cancel=cancel)
        self._typical = (self._space.unit * centres[self._member]).sum(axis=1)
        self._clusters = len(centres)
        self._classes: tuple[str, ...] = ()
        self._head: Head | None = None
        self._spread: NDArray[np.float32] | None = None
        self._guessed: NDArray[np.int64] | None = None
        self._asked = 0
        self._still = 0

    def suggest(
        self, labels: Mapping[str, str], left_out: frozenset[str] = frozenset(), count: int = 20
    ) -> Suggestions:
        """Return suggestions for the pictures that are not in `labels` (class by path) and not left out."""
        given = [labels.get(picture.path, "") for picture in self._pictures]
        classes = tuple(sorted({label for label in given if label}))
        position = {label: number for number, label in enumerate(classes)}
        known = np.array([position.get(label, -1) for label in given], np.int64)
        is_open = (known < 0) & np.array([picture.path not in left_out for picture in self._pictures], bool)
        rows = np.flatnonzero(known >= 0)
        total = int(is_open.sum()) + len(rows)
        if len(classes) < 2:
            only = classes[0] if classes else None
            order = self._order(rows, is_open, None, count)
            asked = tuple(Suggestion(self._pictures[row].path, only, 0.0) for row in order)
            return Suggestions(asked, {}, len(rows), total)
        probabilities = self._probabilities(classes, known, rows)
        best = probabilities.argmax(axis=1)
        sure = probabilities[np.arange(len(best)), best]
        few = np.bincount(known[rows], minlength=len(classes)) < _FEW
        unlike = ~self._covered(rows)[self._member]
        sure = np.where(few[best] | unlike, np.minimum(sure, _UNSURE), sure)
        order = self._order(rows, is_open, probabilities, count)
        open_rows = np.flatnonzero(is_open)
        guesses = {self._pictures[row].path: (classes[best[row]], float(sure[row])) for row in open_rows.tolist()}
        changed = self._changed(best, open_rows, len(rows))
        return Suggestions(
            tuple(Suggestion(self._pictures[row].path, *guesses[self._pictures[row].path]) for row in order),
            guesses,
            len(rows),
            total,
            float((sure[open_rows] >= SURE).mean()) if len(open_rows) else 1.0,
            float(sure[open_rows].mean()) if len(open_rows) else 1.0,
            int(unlike[open_rows].sum()),
            changed,
            not len(open_rows) or self._still >= _RECENT,
        )

    def _probabilities(
        self, classes: tuple[str, ...], known: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        if classes != self._classes:
            self._classes, self._head, self._spread, self._guessed = classes, None, None, None
        values = self._space.values
        self._head = fit(values[rows], known[rows], len(classes), self._head)
        said = self._head.probabilities(values)
        seeds = np.zeros((len(known), len(classes)), np.float32)
        seeds[rows, known[rows]] = 1.0
        seeds /= seeds.sum(axis=0)  # a class with many labels says no more than one with few
        spread = seeds if self._spread is None else self._spread
        for _ in range(_ROUNDS if self._spread is None else _ROUNDS_ON):
            spread = _ALPHA * (self._graph @ spread) + (1 - _ALPHA) * seeds
        self._spread = spread
        shares = spread / np.maximum(spread.sum(axis=1, keepdims=True), 1e-12)
        mixed = np.sqrt(said * np.maximum(shares, 1e-3))
        found: NDArray[np.float32] = mixed / mixed.sum(axis=1, keepdims=True)
        return found

    def _covered(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which clusters (clusters,) have one of the labelled rows."""
        found: NDArray[np.bool_] = np.bincount(self._member[rows], minlength=self._clusters) > 0
        return found

    def _order(
        self, rows: NDArray[np.int64], is_open: NDArray[np.bool_], probabilities: NDArray[np.float32] | None, count: int
    ) -> list[int]:
        """Return which rows to ask for, best first."""
        covered = self._covered(rows)
        asked: list[int] = []
        sizes = np.bincount(self._member, weights=is_open, minlength=self._clusters)
        for cluster in np.argsort(-sizes, kind="stable"):
            members = np.flatnonzero((self._member == cluster) & is_open)
            if not covered[cluster] and len(members):
                asked.append(int(members[self._typical[members].argmax()]))
        if len(asked) >= count:
            return asked[:count]
        if probabilities is None:
            rest = np.flatnonzero(is_open)[np.argsort(-self._typical[is_open], kind="stable")]
        else:
            two = np.partition(probabilities, -2, axis=1)[:, -2:]
            margin = np.where(is_open, two[:, 1] - two[:, 0], np.inf)
            rest = np.argsort(margin, kind="stable")[: int(is_open.sum())]
        return self._spread_over_clusters(asked, rest, count)

    def _spread_over_clusters(self, asked: list[int], rest: NDArray[np.int64], count: int) -> list[int]:
        """Return `asked` and then `rest`, one of each cluster in turn."""
        taken = set(asked)
        turn = np.zeros(self._clusters, np.int64)
        waiting: list[tuple[int, int, int]] = []
        for place, row in enumerate(rest[: 50 * count].tolist()):
            if row not in taken:
                cluster = self._member[row]
                waiting.append((int(turn[cluster]), place, row))
                turn[cluster] += 1
        return [*asked, *(row for _, _, row in sorted(waiting))][:count]

    def _changed(self, best: NDArray[np.int64], open_rows: NDArray[np.int64], labelled: int) -> float:
        """Return the share of guesses that changed, and count the labels in a row that hardly changed any."""
        before, self._guessed = self._guessed, best
        if before is None:
            self._still, self._asked = 0, labelled
            return 1.0
        changed = float((before[open_rows] != best[open_rows]).mean()) if len(open_rows) else 0.0
        more = max(0, labelled - self._asked)
        self._asked = labelled
        self._still = self._still + more if changed <= _SETTLED * max(1, more) ** 0.5 else 0
        return changed
