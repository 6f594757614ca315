"""The left column of the Tuning tab: the model, and how to search."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QSpinBox, QWidget

from core.engine import Capabilities
from core.errors import SpecError
from core.jobs.declared import declarations
from core.jobs.specs import MetricDefinition, Strategy, TuningSpec
from core.translation import tr
from gui.shared.basics import button
from gui.shared.card import Card
from gui.shared.field import Field, declared_box, declared_field, first_excess, limited, show_value, value_of
from gui.tuning.tuning_draft import MODES, TuningDraft
from training_scripts.backbones import BACKBONES, FRAMINGS
from training_scripts.heads import HEADS

_FRAMING_WORDS = {"crop": tr("Crop the middle"), "squash": tr("Squash the whole"), "pad": tr("Pad the whole")}
_MODE_WORDS = {"head": tr("Head only (fast)"), "fine_tune": tr("Fine-tune (slow)")}


class ModelForm(Card):
    """Backbone, preprocessing, head and mode.

    Signals:
        changed(): something was chosen.
        preview_asked(): the user wants to see what augmentation makes of a picture.
    """

    changed = Signal()
    preview_asked = Signal()

    def __init__(self) -> None:
        super().__init__(tr("Model"))
        self.backbone, self.framing, self.head, self.mode = QComboBox(), QComboBox(), QComboBox(), QComboBox()
        for name, backbone in BACKBONES.items():
            self.backbone.addItem(backbone.title, name)
        for name in FRAMINGS:
            self.framing.addItem(_FRAMING_WORDS[name], name)
        for head in HEADS.values():
            self.head.addItem(head.title, head.name)
            self.head.setItemData(self.head.count() - 1, head.help, Qt.ItemDataRole.ToolTipRole)
        for name in MODES:
            self.mode.addItem(_MODE_WORDS[name], name)
        self.fields = {
            "backbone": Field(tr("Backbone"), self.backbone, tr("The pretrained network under the head.")),
            "preprocessing": Field(
                tr("Pictures"), self.framing, tr("How a picture becomes the square that the network sees.")
            ),
            "head": Field(tr("Head"), self.head, tr("What is put on top of the backbone.")),
            "mode": Field(
                tr("Mode"), self.mode, tr("Head only computes each picture's features once, for all trials.")
            ),
        }
        for combo in (self.backbone, self.framing, self.head, self.mode):
            combo.setMinimumContentsLength(12)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.currentIndexChanged.connect(self.changed)
        for field in self.fields.values():
            self.add(field)
        self.preview = button(
            tr("Augmentation…"), icon_name="eye", kind="ghost", tip=tr("See what it makes of a training picture")
        )
        self.preview.clicked.connect(self.preview_asked)
        self.add(self.preview)

    def show_draft(self, draft: TuningDraft) -> None:
        """Show what a draft holds, without telling anyone."""
        blocked = self.blockSignals(True)
        for combo, value in (
            (self.backbone, draft.backbone),
            (self.framing, draft.preprocessing),
            (self.head, draft.head),
            (self.mode, draft.mode),
        ):
            combo.setCurrentIndex(max(0, combo.findData(value)))
        self.blockSignals(blocked)
        self.show_searched(draft)

    def show_searched(self, draft: TuningDraft) -> None:
        """Grey out what the table searches or fixes."""
        in_table = {row.name for row in draft.rows}
        self.preview.setVisible(draft.mode == "fine_tune" or bool(in_table & {"mode", "augmentation"}))
        for name, field in self.fields.items():
            field.control.setEnabled(name not in in_table)
            field.control.setToolTip(
                tr("The table says it.") if name in in_table else field.control.accessibleDescription()
            )

    def read(self, draft: TuningDraft) -> TuningDraft:
        """Return the draft with what is chosen here."""
        return dataclasses.replace(
            draft,
            backbone=self.backbone.currentData(),
            preprocessing=self.framing.currentData(),
            head=self.head.currentData(),
            mode=self.mode.currentData(),
        )


class SearchForm(Card):
    """Strategy, how many trials, when to give up, what is best.

    Signals:
        changed(): something was chosen or typed.
    """

    changed = Signal()

    def __init__(self, capabilities: Capabilities, metrics: Sequence[MetricDefinition]) -> None:
        super().__init__(tr("Search"))
        self._make_controls(capabilities, metrics)
        self.fields = {
            "strategy": Field(tr("Strategy"), self.strategy, Strategy.BAYESIAN.help),
            "max_jobs": declared_field(TuningSpec, "max_jobs", self.max_jobs),
            "max_parallel_jobs": declared_field(TuningSpec, "max_parallel_jobs", self.parallel),
            "objective": Field(
                tr("Objective metric"), self.metric_box, tr("The metric that decides which trial is best.")
            ),
            "goal": Field(tr("Goal"), self.goal),
            "seed": declared_field(TuningSpec, "seed", self.seed),
            "target": declared_field(TuningSpec, "target", self.target),
            "patience": declared_field(TuningSpec, "patience", self.patience),
            "max_search_s": declared_field(TuningSpec, "max_search_s", self.minutes, per=60),
            "warm_start": declared_field(TuningSpec, "warm_start", self.warm_start),
        }
        self.controls: dict[str, QWidget] = {
            name: field.control for name, field in self.fields.items() if name in declarations(TuningSpec)
        } | {"until_converged": self.converged, "early_stopping": self.early, "packed": self.packed}
        self.add(self.fields["strategy"])
        self._add_pair("max_jobs", "max_parallel_jobs")
        self.add(self.fields["objective"])
        self._add_pair("goal", "seed")
        self._add_pair("target", "patience")
        self.add(self.fields["max_search_s"])
        self.add(self.converged)
        self.add(self.fields["warm_start"])
        self.add(self.early)
        self.add(self.packed)
        self.set_capabilities(capabilities)

    def _make_controls(self, capabilities: Capabilities, metrics: Sequence[MetricDefinition]) -> None:
        self.strategy, self.metric_box, self.goal, self.warm_start = QComboBox(), QComboBox(), QComboBox(), QComboBox()
        for strategy in capabilities.strategies:
            self.strategy.addItem(str(strategy), strategy)
        self._goals = {metric.name: bool(metric.maximize) for metric in metrics}
        self.metric_box.addItems([metric.name for metric in metrics])
        self.metric_box.setEditable(True)
        self.metric_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.goal.addItem(tr("Minimize"), False)
        self.goal.addItem(tr("Maximize"), True)
        self.warm_start.addItem(tr("No earlier job"), "")
        self.max_jobs, self.parallel, self.seed, self.patience = QSpinBox(), QSpinBox(), QSpinBox(), QSpinBox()
        self.patience.setSpecialValueText(tr("No limit"))
        self.target = QLineEdit()
        self.target.setPlaceholderText(tr("No target"))
        self.target.textChanged.connect(self._on_changed)
        limited(self.parallel, 1, capabilities.max_parallel_jobs)
        self.minutes = QSpinBox()
        self.minutes.setSuffix(" min")
        self.minutes.setSpecialValueText(tr("No limit"))
        self.converged = declared_box(TuningSpec, "until_converged")
        self.converged.toggled.connect(self._on_changed)
        self.early = declared_box(TuningSpec, "early_stopping")
        self.packed = declared_box(TuningSpec, "packed")
        self.packed.toggled.connect(self._on_changed)
        for combo in (self.strategy, self.metric_box, self.goal, self.warm_start):
            combo.setMinimumContentsLength(8)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.currentIndexChanged.connect(self._on_changed)
        self.metric_box.activated.connect(self._on_metric)
        self.metric_box.editTextChanged.connect(self._on_changed)
        for spin in (self.max_jobs, self.parallel, self.seed, self.patience, self.minutes):
            spin.setMinimumWidth(72)
            spin.setFixedHeight(self.strategy.sizeHint().height())
            spin.lineEdit().setTextMargins(6, 0, 0, 0)
            spin.valueChanged.connect(self._on_changed)
        self.early.toggled.connect(self._on_changed)

    def _add_pair(self, first: str, second: str) -> None:
        pair = QHBoxLayout()
        pair.setSpacing(8)
        for name in (first, second):
            pair.addWidget(self.fields[name], 1, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(pair)

    def _on_changed(self) -> None:
        strategy = self.strategy.currentData()
        self.strategy.setToolTip("" if strategy is None else Strategy(strategy).help)
        self.changed.emit()

    def _on_metric(self) -> None:
        """Take over the goal of the metric that was chosen."""
        self.goal.setCurrentIndex(self.goal.findData(self._goals[self.metric_box.currentText()]))

    def set_capabilities(self, capabilities: Capabilities) -> None:
        """Offer only what the engine can do."""
        limited(self.parallel, 1, capabilities.max_parallel_jobs)
        self.fields["warm_start"].setVisible(capabilities.warm_start)
        self.packed.setVisible(capabilities.packs)
        if not capabilities.packs:
            self.packed.setChecked(False)

    def offer_warm_starts(self, jobs: Sequence[str]) -> None:
        """Offer these earlier tuning jobs."""
        chosen = self.warm_start.currentData()
        known = [self.warm_start.itemData(row) for row in range(1, self.warm_start.count())]
        if known == list(jobs):
            return
        blocked = self.warm_start.blockSignals(True)
        while self.warm_start.count() > 1:
            self.warm_start.removeItem(1)
        for name in jobs:
            self.warm_start.addItem(name, name)
        self.warm_start.setCurrentIndex(max(0, self.warm_start.findData(chosen)))
        self.warm_start.blockSignals(blocked)

    def show_draft(self, draft: TuningDraft) -> None:
        """Show what a draft holds, without telling anyone."""
        blocked = self.blockSignals(True)
        self.metric_box.setEditText(draft.metric)
        self.goal.setCurrentIndex(self.goal.findData(draft.maximize))
        for name, control in self.controls.items():
            show_value(control, getattr(draft, name))
        self.blockSignals(blocked)

    def read(self, draft: TuningDraft) -> TuningDraft:
        """Return the draft with what is set here."""
        held = {name: value_of(control) for name, control in self.controls.items()}
        held["strategy"] = Strategy(held["strategy"])
        metric, maximize = self.metric_box.currentText().strip(), bool(self.goal.currentData())
        return dataclasses.replace(draft, metric=metric, maximize=maximize, **held)

    def show_tuning(self, is_tuning: bool) -> None:
        """Grey out what only a tuning job needs."""
        for name, control in self.controls.items():
            if name != "seed":
                self.fields.get(name, control).setEnabled(is_tuning)

    def check(self) -> SpecError | None:
        """Return what is wrong with a number here that no spec says."""
        return first_excess(self.fields)

    def show_error(self, error: SpecError | None) -> bool:
        """Mark the field at fault; returns whether it is one of these."""
        for name, field in self.fields.items():
            field.show_error(error if error is not None and error.field == name else None)
        return error is not None and error.field in self.fields
