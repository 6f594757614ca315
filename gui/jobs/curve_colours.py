"""The colours of trials, the same in the plot and in the table. No pyqtgraph here."""

from __future__ import annotations

from gui.shared.theme import SERIES

CURVE_COLOURS = tuple(colour for colour in SERIES if colour != "#F0E442")
"""The series colours without the yellow: as a thin line nobody sees it on white."""
