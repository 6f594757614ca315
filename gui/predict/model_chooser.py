"""Which model answers: the best one, or any finished job by choice."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

from core.jobs.accuracy import percent
from core.models import BEST, ModelAddress
from core.models.choices import ModelChoice
from core.translation import tr
from gui.shared.formatting import number
from gui.shared.icons import icon
from gui.shared.theme import GRID

_DOT = "  ·  "
"""Between a model's name and what it is worth."""


class ModelChooser(QComboBox):
    """A list of models; its first entry follows the best one, whichever that is.

    Signals:
        model_chosen(ModelAddress): the user wants this model.
    """

    model_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._best: ModelChoice | None = None
        self._elsewhere = ""
        self._models: Sequence[ModelChoice] = ()
        self._endpoints: Sequence[str] = ()
        self.setAccessibleName(tr("Model"))
        self.setToolTip(tr("The model that answers"))
        self.setMinimumWidth(220)
        self.setMaximumWidth(420)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(28)
        self.setEnabled(False)
        self.activated.connect(self._on_activated)

    @property
    def chosen(self) -> ModelAddress:
        """Return what is chosen: a model, or the best one whichever that is."""
        address = self.currentData()
        return address if isinstance(address, ModelAddress) else BEST

    @property
    def resolved(self) -> ModelAddress | None:
        """Return the model that answers now; None when there is no model at all."""
        if self.chosen != BEST:
            return self.chosen
        return ModelAddress.job(self._best.job) if self._best is not None else None

    @property
    def wanted(self) -> ModelAddress:
        """Return the model that answers now; the best one while it is not known which job's that is."""
        return self.resolved or self.chosen

    def set_models(self, best: ModelChoice | None, models: Sequence[ModelChoice], elsewhere: str = "") -> None:
        """Offer other models; the choice stays when it is still among them, else it is the best.

        `elsewhere` names the folder that the best one learned from, where it is not the dataset in use.
        """
        chosen = self.chosen
        self._best, self._models, self._elsewhere = best, models, elsewhere
        with QSignalBlocker(self):
            self.clear()
            if best is not None:
                title = tr("Best on {folder}: {job}") if elsewhere else tr("Best: {job}")
                self.addItem(title.format(folder=elsewhere, job=best.title) + _share(best), BEST)
                self._describe(0, best)
            for choice in models:
                self.addItem(_title(choice), ModelAddress.job(choice.job))
                self._describe(self.count() - 1, choice)
            for name in self._endpoints:
                self.addItem(icon("cloud"), tr("Endpoint {name}").format(name=name), ModelAddress.endpoint(name))
            self.setCurrentIndex(max(0, self._index_of(chosen)))
        if self.resolved is not None:
            self.setToolTip(tr("The model that answers: {name}").format(name=self.resolved.name))
        else:
            self.setToolTip(tr("The model that answers"))
        self.setEnabled(self.count() > 0)

    def set_endpoints(self, names: Sequence[str]) -> None:
        """Offer these endpoints too."""
        if list(names) != list(self._endpoints):
            self._endpoints = tuple(names)
            self.set_models(self._best, self._models, self._elsewhere)

    def choose(self, address: ModelAddress) -> bool:
        """Choose a model, or `BEST`; returns whether it is offered."""
        index = self._index_of(address)
        if index >= 0:
            self.setCurrentIndex(index)
        return index >= 0

    def paintEvent(self, event: QPaintEvent) -> None:
        """Elide a long name in the middle, where trials of one tuning job are alike; what follows it stays."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, field, self).width() - GRID
        name, *figures = self.currentText().split(_DOT)
        metrics, tail = self.fontMetrics(), "".join(f"{_DOT}{figure}" for figure in figures)
        if metrics.horizontalAdvance(name + tail) > room:  # what follows the first figure is in the list and the tip
            tail = "".join(f"{_DOT}{figure}" for figure in figures[:1])
        left_room = room - metrics.horizontalAdvance(tail)
        option.currentText = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, left_room) + tail
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _on_activated(self, _index: int) -> None:
        self.model_chosen.emit(self.chosen)

    def _index_of(self, address: ModelAddress) -> int:
        return next((index for index in range(self.count()) if self.itemData(index) == address), -1)

    def _describe(self, index: int, choice: ModelChoice) -> None:
        parts = [choice.job, choice.backbone]
        if choice.tuning_job:
            parts.append(tr("trial of {tuning_job}").format(tuning_job=choice.tuning_job))
        if choice.accuracy is not None:
            parts.append(choice.accuracy.sentence)
        if choice.objective is not None:
            metric = choice.objective_metric or tr("objective")
            parts.append(f"{metric} {number(choice.objective)}")
        self.setItemData(index, "\n".join(part for part in parts if part), Qt.ItemDataRole.ToolTipRole)


def _share(choice: ModelChoice) -> str:
    """Return how much a model has right, as the end of its entry; "" where that is not known."""
    if choice.accuracy is None:
        return ""
    share, bounds, label = percent(choice.accuracy.share), choice.accuracy.bounds, choice.accuracy.weakest
    figures = [f"{share} ({bounds})" if bounds else share]
    if label:
        figures.append(tr("weakest: {label}").format(label=label))
    return "".join(f"{_DOT}{figure}" for figure in figures)


def _title(choice: ModelChoice) -> str:
    figure = _share(choice)
    if not figure and choice.objective is not None:
        figure = f"{_DOT}{number(choice.objective)}"
    star = "★ " if choice.best else ""
    return f"{star}{choice.title}{figure}"
