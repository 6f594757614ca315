"""Keeps the suggestions of a gallery up to date: guesses are made again after every change of a label, in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge, Handle
from gui.data.comparison import Compared

if TYPE_CHECKING:
    from core.labels.suggest import Suggester, Suggestions

NEXT = 24


class Guessing(QObject):
    """Guesses the classes of the pictures that have none, and says which to label next.

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
        self._suggester: Suggester | None = None
        self.suggestions: Suggestions | None = None
        """What is known of the pictures without a class; None until it is."""

    def open(self, compared: Compared | None) -> None:
        """Guess for these pictures."""
        if self._running is not None:
            self._running.cancel()
        self._running, self._is_stale = None, False
        self._compared, self._suggester, self.suggestions = compared, None, None

    def refresh(self) -> None:
        """Guess again, now or as soon as the guess under way is there."""
        compared, known = self._compared, self._suggester
        if compared is None:
            return
        if self._running is not None:
            self._is_stale = True
            return
        labels, left_out = compared.gallery.known_labels()

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[Suggester, Suggestions]:
            from core.labels.suggest import Suggester

            suggester = known or Suggester(compared.features, cancel)
            return suggester, suggester.suggest(labels, left_out, NEXT)

        self._running = self._bridge.run(work, self._on_guessed)

    def next_numbers(self) -> list[int]:
        """Return the numbers of the pictures to label next, best first."""
        compared, found = self._compared, self.suggestions
        if compared is None or found is None:
            return []
        numbers = [compared.gallery.number(one.path) for one in found.next]
        return [number for number in numbers if number is not None and compared.gallery.is_open(number)]

    def sure_ones(self) -> dict[str, str]:
        """Return the class of every picture, by path, that a guess is sure of."""
        if self._compared is None or self.suggestions is None:
            return {}
        known, left_out = self._compared.gallery.known_labels()
        sure = self.suggestions.sure_ones()
        return {path: name for path, name in sure.items() if path not in known and path not in left_out}

    def _on_guessed(self, found: tuple[Suggester, Suggestions]) -> None:
        self._running = None
        if self._compared is not None:
            self._suggester, self.suggestions = found
            self._compared.gallery.set_suggestions(self.suggestions.guesses)
            self.guessed.emit()
        if self._is_stale:
            self._is_stale = False
            self.refresh()
