"""How the numbers of a layer are spread, over the steps of the training. Importing this module imports pyqtgraph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from core.debugger.histograms import Histograms
from core.translation import plural, tr
from gui.shared.basics import label
from gui.shared.feedback import EmptyState
from gui.shared.plotting import Plot, pen
from gui.shared.theme import GRID, tokens

_COLUMNS = 400


class TensorHistograms(QWidget):
    """Choose a kind and a tensor; its histograms are drawn as a band per step, darker where more numbers are.

    Signals:
        tensor_asked(str): read the histograms of this tensor, then call `show_histograms`.
    """

    tensor_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[str, list[str]] = {}
        self._shown: Histograms | None = None
        self.kind, self.tensor = QComboBox(), QComboBox()
        self.kind.setAccessibleName(tr("Kind of tensor"))
        self.tensor.setAccessibleName(tr("Tensor"))
        self.tensor.setMinimumWidth(280)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.tensor.currentIndexChanged.connect(self._on_tensor)
        self._facts = label("", "caption")
        self._facts.setProperty("role", "muted")
        self.plot = Plot(tr("Training step"), tr("Value"))
        self.plot.setAccessibleName(tr("Histograms of the tensor over training steps"))
        self.plot.restyled.connect(self._draw)
        self.plot.numbers = self._numbers
        self._empty = EmptyState("chart", "")
        self._empty.setMinimumHeight(72)  # it does not hold the plot's height up
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self.plot)
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(self.kind)
        top.addWidget(self.tensor)
        top.addWidget(self._facts)
        top.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addLayout(top)
        box.addWidget(self._pages, 1)
        self.set_groups({})

    def set_groups(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Offer these tensors, by kind; the one that is chosen stays chosen if it is among them."""
        made = {kind: list(names) for kind, names in groups.items()}
        if made == self._groups and made:
            return
        chosen = self.tensor.currentText()
        self._groups = made
        self.kind.blockSignals(True)
        self.kind.clear()
        self.kind.addItems(list(made))
        kept = next((kind for kind, names in made.items() if chosen in names), "")
        if kept:
            self.kind.setCurrentText(kept)
        self.kind.blockSignals(False)
        for combo in (self.kind, self.tensor):
            combo.setVisible(bool(made))
        if not made:
            self.show_histograms(None)
        self._fill_tensors(chosen)

    def say(self, sentence: str) -> None:
        """Say why nothing is drawn, while nothing is."""
        self._empty.set_texts(sentence)

    def forget(self) -> None:
        """Show nothing until the tensors of another job are offered, which may have the same names."""
        self._groups = {}
        self.show_histograms(None)

    def refresh(self) -> None:
        """Ask for the chosen tensor again: there may be new steps."""
        self._on_tensor()

    @property
    def is_drawn(self) -> bool:
        """Whether there is a tensor in sight."""
        return self._shown is not None

    def show_histograms(self, histograms: Histograms | None) -> None:
        """Draw these, or say that there are none."""
        self._shown = histograms
        self._facts.setText("" if histograms is None else _facts(histograms))
        self._pages.setCurrentWidget(self._empty if histograms is None or not len(histograms.steps) else self.plot)
        self._draw()

    def _numbers(self) -> Iterator[Sequence[object]]:
        """Return a row for each saved step: mean, percentiles, and the share of the numbers in each bin."""
        shown = self._shown
        if shown is None:
            return
        bins = [f"{low:.6g} to {high:.6g}" for low, high in pairwise(shown.edges)]
        yield ("tensor", "step", "mean", "5 %", "95 %", *bins)
        for step, mean, low, high, shares in zip(
            shown.steps, shown.mean, shown.low, shown.high, shown.shares, strict=True
        ):
            yield (shown.name, int(step), float(mean), float(low), float(high), *map(float, shares))

    def _on_kind(self) -> None:
        self._fill_tensors("")

    def _fill_tensors(self, chosen: str) -> None:
        names = self._groups.get(self.kind.currentText(), [])
        self.tensor.blockSignals(True)
        self.tensor.clear()
        self.tensor.addItems(names)
        if chosen in names:
            self.tensor.setCurrentText(chosen)
        self.tensor.blockSignals(False)
        self._on_tensor()

    def _on_tensor(self) -> None:
        if self.tensor.currentText():
            self.tensor_asked.emit(self.tensor.currentText())

    def _draw(self) -> None:
        self.plot.clear()
        shown = self._shown
        if shown is None or not len(shown.steps):
            return
        first, last = float(shown.steps[0]), float(shown.steps[-1])
        width = max(last - first, 1.0)
        # Steps are saved at uneven distances; each column shows the step that was saved last before it.
        columns = first + (np.arange(_COLUMNS) + 0.5) / _COLUMNS * width
        rows = np.clip(np.searchsorted(shown.steps, columns, side="right") - 1, 0, len(shown.steps) - 1)
        # The square root keeps thin tails in sight beside a high peak.
        shares = np.sqrt(shown.shares[rows])
        image = pg.ImageItem(shares / np.maximum(shares.max(axis=1, keepdims=True), 1e-12), axisOrder="col-major")
        colours = tokens()
        image.setColorMap(pg.ColorMap([0.0, 1.0], [QColor(colours.card), QColor(colours.accent)]))
        image.setRect(QRectF(first, shown.edges[0], width, shown.edges[-1] - shown.edges[0]))
        item = self.plot.getPlotItem()
        item.addItem(image)
        for values, dashed in ((shown.low, True), (shown.mean, False), (shown.high, True)):
            line = pg.PlotDataItem(shown.steps, values, pen=pen(colours.text, 1.2, 0.8, dashed), connect="finite")
            item.addItem(line)
        item.enableAutoRange()


def _facts(shown: Histograms) -> str:
    if not len(shown.steps):
        return ""
    parts = [
        plural("{count:,} saved step", "{count:,} saved steps", len(shown.steps)),
        tr("line: mean, dashed: 5 % and 95 %"),
    ]
    if shown.not_finite:
        parts.append(tr("{share:.2g} % are NaN or Inf").format(share=100 * shown.not_finite))
    return " · ".join(parts)
