"""The live plot of a job: one metric of all its trials, the best one thick, the one under the pointer on top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from core.translation import tr
from gui.jobs.curve_colours import CURVES, curve_colour
from gui.jobs.curve_legend import CurveLegend
from gui.jobs.metric_series import Curves
from gui.jobs.trial_curves import Array, Bundle, Bundler
from gui.jobs.trial_view import TrialView
from gui.shared import formatting
from gui.shared.basics import button, icon_button, label
from gui.shared.plotting import curve, pen
from gui.shared.theme import tokens

_NO_VALUES = tr("No values yet. They come with the first epoch.")
_WINDOWS = ((tr("Raw"), 1), (tr("Smooth"), 5), (tr("Smoother"), 15))
_PAIRS = (
    ("valid:loss", "train:loss", tr("Loss: train and valid")),
    ("valid:accuracy", "train:accuracy", tr("Accuracy: train and valid")),
)


class TrialPlot(TrialView):
    """Curves of all trials over epochs (or steps)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(tr("Epoch"), tr("Curves of all trials"), parent)
        self.plot.numbers = self._numbers
        self._curves = Curves()
        self._names: tuple[str, ...] = ()
        self._index: dict[str, int] = {}
        self._bundler = Bundler()
        self._first, self._chose_metric = "", False
        self._make_plot()
        self._make_tools()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._tools)
        self._nothing = label("", "muted")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._place = QStackedWidget()
        self._place.addWidget(self.plot)
        self._place.addWidget(self._nothing)
        self.legend = CurveLegend()
        self.legend.hovered.connect(lambda at: self._on_hover(self._name_of(at)))
        self.legend.chosen.connect(lambda at: self.chosen.emit(self._name_of(at)))
        over = QGridLayout()
        over.addWidget(self._place, 0, 0)
        over.addWidget(self.readout, 0, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        layout.addLayout(over, 1)
        layout.addWidget(self.legend)

    # Parts -----------------------------------------------------------------------------------------------------

    def _make_plot(self) -> None:
        self._faint = [curve() for _ in range(2 * CURVES)]
        self._thick = [curve(antialias=True) for _ in range(2)]
        self._top = [curve(antialias=True) for _ in range(2)]
        self._dots = pg.ScatterPlotItem(size=6, pen=None)
        self.plot.getPlotItem().getViewBox().setLimits(xMin=0, minXRange=2)  # epochs and steps count from 1
        for item in self._faint:
            self.plot.addItem(item)
        # The rest repeats what the faint curves show: no need to look at it for the range.
        for item in (self._dots, *self._thick, *self._top):
            self.plot.addItem(item, ignoreBounds=True)

    def _make_tools(self) -> None:
        self.metric_box = QComboBox()
        self.metric_box.setAccessibleName(tr("Metric"))
        self.metric_box.setMinimumContentsLength(6)
        self.metric_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.metric_box.setMaximumWidth(176)
        self.metric_box.setPlaceholderText(tr("No metric yet"))
        self.metric_box.currentIndexChanged.connect(self._on_metric)
        self.metric_box.activated.connect(self._on_metric_chosen)
        self.smoothing = QComboBox()
        self.smoothing.setAccessibleName(tr("Smoothing"))
        self.smoothing.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.smoothing.setMinimumContentsLength(4)
        for text, window in _WINDOWS:
            self.smoothing.addItem(text, window)
        self.smoothing.currentIndexChanged.connect(self.schedule)
        self.log_box = button(tr("Log"), kind="ghost", tip=tr("Logarithmic scale upwards"))
        self.log_box.setCheckable(True)
        self.log_box.toggled.connect(self._on_log)
        self.fit = icon_button("fit", tr("Show everything again after zooming"))
        self.fit.clicked.connect(lambda: self.plot.enableAutoRange())
        self.isolate = button(tr("Isolate"), kind="ghost", tip=tr("Show only the selected trial"))
        self.isolate.setCheckable(True)
        self.isolate.setEnabled(False)
        self.isolate.toggled.connect(self._on_isolate)
        self.readout = label("", "figures")
        self.readout.setObjectName("readout")
        self.readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.readout.hide()
        self._tools = QHBoxLayout()
        self._tools.setSpacing(8)
        for widget in (self.metric_box, self.smoothing, self.log_box, self.fit, self.isolate):
            widget.setProperty("dense", True)
            self._tools.addWidget(widget, 4 if widget is self.metric_box else 0)
        self._tools.addStretch(1)

    # Content ---------------------------------------------------------------------------------------------------

    def set_job(self, first: str) -> None:
        """Start over for another job; the metric `first` is shown until another one is chosen."""
        self._first, self._chose_metric = first, False
        self._bundler.clear()
        self._best = self._lit = self._selected = ""
        self.isolate.setEnabled(False)
        self._names, self._index, self._curves = (), {}, Curves()
        self.isolate.setChecked(False)
        self.metric_box.clear()
        self.plot.enableAutoRange()
        self.redraw()

    def set_curves(self, curves: Curves, trials: Sequence[str], best: str = "", ended: bool = False) -> None:
        """Show these curves of these trials, in the order they were started; drawn soon, not at once."""
        self._curves, self._best = curves, best
        self._nothing.setText(tr("It ended before its first epoch.") if ended else _NO_VALUES)
        if len(trials) != len(self._names) or tuple(trials) != self._names:
            self._names = tuple(trials)
            self._index = {name: at for at, name in enumerate(self._names)}
        self._offer_metrics()
        self.schedule()

    def _offer_metrics(self) -> None:
        known = [self.metric_box.itemData(row) for row in range(self.metric_box.count())]
        names = set(self._curves.metrics())
        offers: list[tuple[str, tuple[str, ...]]]
        offers = [(title, (first, second)) for first, second, title in _PAIRS if {first, second} <= names]
        offers += [(name, (name,)) for name in self._curves.metrics()]
        offers.sort(key=lambda offer: offer[1] != (self._first,))
        for title, metrics in offers:
            if metrics not in known:
                self.metric_box.addItem(title, metrics)
        wanted = next(
            (row for row in range(self.metric_box.count()) if self.metric_box.itemData(row) == (self._first,)), -1
        )
        if wanted >= 0 and not self._chose_metric:
            self.metric_box.setCurrentIndex(wanted)
        elif self.metric_box.currentIndex() < 0:
            self.metric_box.setCurrentIndex(0 if self.metric_box.count() else -1)

    def metrics(self) -> tuple[str, ...]:
        """Return the metric shown; two when train is shown dashed beside valid."""
        data = self.metric_box.currentData()
        return tuple(data) if data else ()

    def _numbers(self) -> Iterator[Sequence[object]]:
        """Return the values of all metrics, as they are kept: unsmoothed, of every trial."""
        yield ("trial", "metric", "epoch or step", "value")
        for metric in self._curves.metrics():
            for trial, series in self._curves.series(metric).items():
                yield from ((trial, metric, at, value) for at, value in zip(series.x, series.y, strict=True))

    def select(self, name: str) -> None:
        """Keep a trial on top and fade the others; "" for none."""
        if name != self._selected:
            self._selected = name
            self.isolate.setEnabled(bool(name))
            if self.isolate.isChecked():
                self.plot.enableAutoRange()
            self.schedule()

    # Drawing ---------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        metrics = self.metrics()
        self._place.setCurrentIndex(0 if metrics else 1)
        for tool in (self.metric_box, self.smoothing, self.log_box, self.fit):
            tool.setEnabled(bool(metrics))
        alpha = 0.15 if self._selected else min(1.0, max(0.15, 3 / max(1, len(self._names)) ** 0.5))
        self._draw_faint(metrics, alpha)
        self._draw_best(metrics)
        self._draw_top()
        lines = [metric.partition(":")[0] for metric in metrics] if len(metrics) > 1 else []
        self.legend.show_trials(len(self._names) if metrics else 0, self._index.get(self._best, -1), lines)
        if metrics:
            by_epoch = self._curves.is_by_epoch(metrics[0])
            self.plot.set_labels(
                tr("Epoch") if by_epoch else tr("Step"), metrics[0].partition(":")[2].replace("_", " ") or metrics[0]
            )

    def _draw_faint(self, metrics: Sequence[str], alpha: float) -> None:
        by_colour: list[list[tuple[int, str]]] = [[] for _ in range(CURVES)]
        alone = self._selected if self.isolate.isChecked() else ""
        for at, name in enumerate(self._names):
            if not alone or name == alone:
                by_colour[at % CURVES].append((at, name))
        shown, spots = [], []
        for at, item in enumerate(self._faint):
            colour, second = at % CURVES, at // CURVES
            bundle = self._bundle_of(metrics, second, by_colour[colour])
            if len(bundle.x) or item.xData is not None:
                item.setPen(pen(curve_colour(colour), 1.0, alpha, dashed=bool(second)))
                item.setData(bundle.x, bundle.y)
            shown.append(bundle)
            if not second:
                spots += _single_points(bundle, curve_colour(colour))
        self._dots.setData(spots)
        self._bundle = Bundle(
            np.concatenate([bundle.x for bundle in shown]),
            np.concatenate([bundle.y for bundle in shown]),
            np.concatenate([bundle.owner for bundle in shown]),
        )

    def _bundle_of(self, metrics: Sequence[str], which: int, trials: Sequence[tuple[int, str]]) -> Bundle:
        """Return the curves of the first or second metric shown as they are drawn; empty when there is no second."""
        metric = metrics[which] if which < len(metrics) else ""
        bundle = self._bundler.bundle(self._curves, metric, trials, int(self.smoothing.currentData() or 1))
        return Bundle(bundle.x, self._scaled(bundle.y), bundle.owner)

    def _draw_best(self, metrics: Sequence[str]) -> None:
        best = "" if self.isolate.isChecked() and self._selected not in ("", self._best) else self._best
        for second, item in enumerate(self._thick):
            self._draw_one(item, metrics, second, best, 2.75)

    def _draw_top(self) -> None:
        name = self._lit or self._selected
        for second, item in enumerate(self._top):
            self._draw_one(item, self.metrics(), second, name, 2.25 if name != self._best else 3.25)
        text = self._describe(name)
        self.readout.setText(text)
        self.readout.setVisible(bool(text))
        self.legend.mark(self._index.get(self._lit, -1), self._index.get(self._selected, -1))

    def _draw_one(self, item: pg.PlotCurveItem, metrics: Sequence[str], second: int, name: str, width: float) -> None:
        at = self._index.get(name)
        trials = [] if at is None else [(at, name)]
        bundle = self._bundle_of(metrics, second, trials)
        colour = tokens().accent if name == self._best else tokens().text
        item.setPen(pen(colour, width if not second else 1.5, dashed=bool(second)))
        item.setShadowPen(pen(tokens().card, width + 3) if not second else None)
        item.setData(bundle.x, bundle.y)

    def _scaled(self, y: Array) -> Array:
        if not self.log_box.isChecked():
            return np.where(np.isfinite(y), y, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.log10(y)
        return np.where(np.isfinite(scaled), scaled, np.nan)

    def _describe(self, name: str) -> str:
        at, metrics = self._index.get(name), self.metrics()
        if at is None or not metrics:
            return ""
        said, place = [], 0.0
        for metric in metrics:
            series = self._curves.series(metric).get(name)
            if series and series.y:
                which = f"{metric.partition(':')[0]} " if len(metrics) > 1 else ""
                # What the pointer is over; the end, where the table or the legend lit the curve up.
                where = (
                    len(series.x) - 1
                    if self._pointer_x is None
                    else int(np.abs(np.array(series.x) - self._pointer_x).argmin())
                )
                said.append(f"{which}{formatting.number(series.y[where])}")
                place = series.x[where]
        parts = []
        if len(self._names) > 1:
            trial = tr("Trial {number} (best)") if name == self._best else tr("Trial {number}")
            parts.append(trial.format(number=at + 1))
        if said:
            parts.append(tr("{values} at {place:g}").format(values=", ".join(said), place=place))
        return " · ".join(parts)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the legend what a low plot can spare."""
        super().resizeEvent(event)
        height = event.size().height()
        self.legend.set_most_rows(1 if height < 200 else 2 if height < 340 else 3)

    # Pointer and controls --------------------------------------------------------------------------------------

    def _on_metric_chosen(self) -> None:
        self._chose_metric = True

    def _on_metric(self) -> None:
        self.plot.enableAutoRange()
        self.schedule()

    def _on_log(self, checked: bool) -> None:
        self.plot.getPlotItem().getAxis("left").setLogMode(y=checked)
        self.plot.enableAutoRange()
        self.redraw()

    def _name_of(self, at: int) -> str:
        return self._names[at] if 0 <= at < len(self._names) else ""

    def _on_isolate(self) -> None:
        self.plot.enableAutoRange()
        self.redraw()


def _single_points(bundle: Bundle, colour: QColor) -> list[dict[str, object]]:
    """Return spots for curves of one point, which a line cannot show."""
    gap = np.isnan(bundle.x)
    before = np.concatenate(([True], gap[:-1]))
    after = np.concatenate((gap[1:], [True]))
    lonely = np.flatnonzero(~gap & before & after)
    return [{"pos": (float(bundle.x[at]), float(bundle.y[at])), "brush": pg.mkBrush(colour)} for at in lonely]
