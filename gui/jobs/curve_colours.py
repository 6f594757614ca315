"""The colours of trials, the same in the plot and in the table. No pyqtgraph here."""

from __future__ import annotations

from PySide6.QtGui import QColor

from gui.shared.theme import series_colour

_YELLOW = 6
"""As a thin line on white it is hardly seen."""

CURVES = 7
"""So many colours, then they repeat."""


def curve_colour(trial: int) -> QColor:
    """Return the colour of a trial by its place among the trials."""
    at = trial % CURVES
    return series_colour(at if at < _YELLOW else at + 1)
