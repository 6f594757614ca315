"""Keeps the guesses of a gallery up to date: a head is refitted after every change of a label, in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge, Handle
from gui.data.comparison import Compared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.labels.guesses import Guesses

NEXT = 24


class Guessing(QObject):
    """Guesses the classes of the pictures that have none.

    Signals:
        guessed(): the gallery's suggestions are those of the labels now.
    """

    guessed = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._running: Handle | None = None
        self._is_stale = False
        self._compared: Compared | None = None
        self._margin: NDArray[np.float32] | None = None
        self.sure: int | None = None
        """How many pictures without a class have a sure guess; None while nothing is guessed."""

    def open(self, compared: Compared | None) -> None:
        """Guess for these pictures from now on."""
        if self._running is not None:
            self._running.cancel()
        self._running, self._is_stale = None, False
        self._compared, self._margin, self.sure = compared, None, None

    def refresh(self) -> None:
        """Guess again, now or as soon as the guess under way is there."""
        compared = self._compared
        if compared is None:
            return
        if self._running is not None:
            self._is_stale = True
            return
        labels, names = compared.gallery.label_codes()
        own = labels[compared.numbers]
        features = compared.features.matrix

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[list[str], Guesses | None]:
            from core.labels.guesses import guess

            return names, guess(features, own, len(names))

        self._running = self._bridge.run(work, self._on_guessed)

    def next_numbers(self) -> list[int]:
        """Return the numbers of the pictures to label next."""
        from core.labels.guesses import ask_next

        compared = self._compared
        if compared is None:
            return []
        labels, _ = compared.gallery.label_codes()
        rows = compared.numbers
        without = (labels[rows] < 0) & ~compared.gallery.having("left_out")[rows]
        found = ask_next(compared.alike.cohort[rows], without, self._margin, NEXT)
        return [int(rows[row]) for row in found]

    def sure_ones(self) -> dict[str, str]:
        """Return the class of every picture, by path, that a guess is sure of."""
        from core.labels.guesses import SURE

        gallery = self._compared.gallery if self._compared is not None else None
        found: dict[str, str] = {}
        if gallery is None:
            return found
        for number, picture in enumerate(gallery.pictures):
            guess = gallery.suggestion(number)
            if guess is not None and guess.probability >= SURE and gallery.is_open(number):
                found[picture.path] = guess.label
        return found

    def _on_guessed(self, found: tuple[list[str], Guesses | None]) -> None:
        self._running = None
        names, guesses = found
        compared = self._compared
        if compared is not None:
            gallery = compared.gallery
            self._margin = guesses.margin if guesses is not None else None
            said: dict[str, tuple[str, float]] = {}
            if guesses is not None:
                for number, label, probability in zip(
                    compared.numbers.tolist(), guesses.label.tolist(), guesses.probability.tolist(), strict=True
                ):
                    if gallery.is_open(number):
                        said[gallery.pictures[number].path] = (names[label], probability)
            gallery.set_suggestions(said)
            self.sure = len(self.sure_ones()) if guesses is not None else None
            self.guessed.emit()
        if self._is_stale:
            self._is_stale = False
            self.refresh()
