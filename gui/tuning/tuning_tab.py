"""The Tuning tab: model and search left, hyperparameters in the middle, what it will do and Start right."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QResizeEvent, QShortcut
from PySide6.QtWidgets import QBoxLayout, QMenu, QScrollArea, QVBoxLayout, QWidget

from core.debugger.choice import project_config
from core.errors import SpecError, UserFacingError, WeightsUnavailable
from core.jobs.contract import default_metrics
from core.jobs.job_names import slug
from core.jobs.records import Job
from core.jobs.specs import Spec
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.tuning.presets import PRESETS, QUICK_LOOK, Preset
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed
from gui.shared.basics import button
from gui.shared.basics import row as side_by_side
from gui.shared.card import Card, PageHeader, page_layout
from gui.tuning.cost_panel import CostPanel
from gui.tuning.forecast_card import START_KEY, ForecastCard
from gui.tuning.job_starting import JobStarter
from gui.tuning.live_forecast import LiveForecast
from gui.tuning.ranges_table import RangesTable
from gui.tuning.resources_form import ResourcesForm
from gui.tuning.search_form import ModelForm, SearchForm
from gui.tuning.tuning_draft import (
    TuningDraft,
    build_spec,
    by_steps,
    check_row,
    draft_from_json,
    draft_from_preset,
    draft_from_spec,
    script_hyperparameters,
    suggestion,
    warm_starts,
)
from gui.tuning.weights_panel import WeightsPanel

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from gui.tuning.augmentation_dialog import AugmentationDialog
    from training_scripts.backbones import Framing

_STATE = "tuning_form"
_NARROW = 1100
"""Pixels of width below which the table and the forms are one above the other."""
_FORM, _AROUND = 210, 72
"""Pixels of a form, and of what stands around two of them: margins, gaps and the bar that scrolls."""
_SAVE_MS = 1000


class TuningTab(QWidget):
    """Sets up a tuning job, or a training job when nothing is searched, and starts it.

    Signals:
        job_started(str): a job of that name was started.
        dataset_asked(): the user wants to choose a dataset.
    """

    job_started = Signal(str)
    dataset_asked = Signal()

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed) -> None:
        super().__init__()
        self._workbench, self._bridge, self._feed = workbench, bridge, feed
        self._manifest: Manifest | None = None
        self._metric = ""
        self._make_forms()
        self._lay_out()
        self._connect()
        feed.jobs_changed.connect(self._on_jobs)
        self._on_jobs(feed.jobs)
        self.show_engine()
        self.show_draft(self._recalled())

    @property
    def on_cloud(self) -> bool:
        """Whether the job will run in an AWS account and cost money."""
        return self._workbench.engine.capabilities.costs_money and self._workbench.cloud is not None

    def show_setting(self, name: str) -> None:
        """Put the focus on a hyperparameter, in the form or in the table."""
        field = self.model_form.fields.get(name)
        if field is not None and field.control.isEnabled():
            field.control.setFocus()
        else:
            self.ranges.show_name(name)

    def show_engine(self) -> None:
        """Show what the engine in use needs to know; another one may have been chosen."""
        self.search_form.set_capabilities(self._workbench.engine.capabilities)
        for part in (self.resources, self.cost):
            part.setVisible(self.on_cloud)
        self.cost.cancel()
        if self.on_cloud:
            self.launching.look_at_refusal()
        if self._metric:
            self.refresh()

    def _make_forms(self) -> None:
        capabilities = self._workbench.engine.capabilities
        self._regexes = {metric.name: metric.regex for metric in default_metrics()}
        self.model_form = ModelForm()
        self.weights = WeightsPanel(self._workbench, self._bridge)
        self.model_form.add(self.weights)
        self.search_form = SearchForm(capabilities, [metric for metric in default_metrics() if not metric.per_step])
        self.ranges = RangesTable(script_hyperparameters(), suggestion, check_row)
        self.resources = ResourcesForm(self._workbench.settings, self._workbench.provider.check)
        self.cost = CostPanel(self._workbench, self._bridge)
        self.card = ForecastCard()
        self.card.add_section(self.cost)
        self.launching = JobStarter(self._workbench, self._bridge, self.card, self.cost)
        self.forecast = LiveForecast(self._workbench, self._bridge, self.card, self.cost, self.weights)
        self._save_timer = self._timer(_SAVE_MS, self._save)

    def _timer(self, milliseconds: int, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        return timer

    def _lay_out(self) -> None:
        box, left = page_layout(self), QBoxLayout(QBoxLayout.Direction.TopToBottom)
        box.addWidget(self._make_header())
        left.setSpacing(12)
        for form in (self.model_form, self.search_form):
            left.addWidget(form, 0, Qt.AlignmentFlag.AlignTop)
        left.addStretch(1)
        middle, table = QVBoxLayout(), Card(tr("Hyperparameters"))
        table.add(self.ranges)
        middle.setSpacing(12)
        middle.addWidget(table)
        middle.addWidget(self.resources)
        middle.addStretch(1)
        forms = QWidget()
        row = QBoxLayout(QBoxLayout.Direction.LeftToRight, forms)
        self._columns, self._left = row, left
        row.setContentsMargins(0, 0, 4, 0)
        row.setSpacing(12)
        row.addLayout(left)
        row.addLayout(middle, 1)
        for form in (self.model_form, self.search_form):
            form.setFixedWidth(_FORM)
            form.body.setSpacing(5)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(forms)
        forms.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.card.setFixedWidth(284)
        columns = side_by_side(area, self.card)
        columns.setStretch(0, 1)
        box.addLayout(columns, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the forms under the table where both do not fit beside each other."""
        super().resizeEvent(event)
        narrow, direction = event.size().width() < _NARROW, QBoxLayout.Direction
        self._columns.setDirection(direction.BottomToTop if narrow else direction.LeftToRight)
        self._left.setDirection(direction.LeftToRight if narrow else direction.TopToBottom)
        self.card.setFixedWidth(252 if narrow else 284)
        beside = (event.size().width() - self.card.width() - _AROUND) // 2
        for form in (self.model_form, self.search_form):
            form.setFixedWidth(max(_FORM, beside) if narrow else _FORM)

    def _make_header(self) -> PageHeader:
        self._header = PageHeader(tr("Tuning"))
        presets = button(tr("Presets"), icon_name="lightbulb", tip=tr("Searches to start from"))
        menu = QMenu(presets)
        menu.setToolTipsVisible(True)
        for preset in PRESETS:
            action = menu.addAction(preset.title, partial(self._take_preset, preset))
            action.setToolTip(preset.description)
        presets.setMenu(menu)
        self._header.add_action(presets)
        return self._header

    def _connect(self) -> None:
        self.model_form.changed.connect(self._on_model)
        self.model_form.preview_asked.connect(self.show_augmentation)
        self.weights.changed.connect(self.refresh)
        self.search_form.changed.connect(self._on_search)
        self.ranges.changed.connect(self._on_rows)
        self.resources.changed.connect(self.refresh)
        self.resources.check_asked.connect(lambda: self.cost.check(self.resources.resources, self.draft()))
        self.cost.machines_asked.connect(self.resources.take_machines)
        self.cost.packed_asked.connect(lambda: self.search_form.packed.setChecked(True))
        self.card.metric_check.changed.connect(self.refresh)
        self.card.name_changed.connect(self.refresh)
        self.card.start_asked.connect(self.start)
        self.card.dataset_asked.connect(self.dataset_asked)
        self.card.cancel_asked.connect(self.launching.cancel)
        self.launching.started.connect(self._on_started)
        self.launching.failed.connect(self._on_failed)
        self.launching.ended.connect(self.refresh)
        managed = self.resources.managed
        self.launching.refusal_known.connect(managed.show_refusal)
        self.launching.refusal_known.connect(lambda _why: self.refresh())
        managed.reset_asked.connect(lambda: self.launching.look_at_refusal(forget=True))
        shortcut = QShortcut(START_KEY, self, self.start)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)

    # What the form holds ---------------------------------------------------------------------------------------

    def draft(self) -> TuningDraft:
        """Return the form as a value."""
        draft = TuningDraft(
            rows=self.ranges.drafts(),
            name=self.card.name.text(),
            weights=self.weights.value,
            regex=self.card.metric_check.regex.text(),
        )
        return self.search_form.read(self.model_form.read(draft))

    def show_draft(self, draft: TuningDraft, undo: str = "") -> None:
        """Fill the form; the table's rows can be undone when `undo` says what was done."""
        self.model_form.show_draft(draft)
        self.search_form.show_draft(draft)
        self.weights.show_weights(draft.backbone, draft.weights)
        self._metric = draft.metric
        self.card.metric_check.show_metric(draft.metric, draft.regex or self._regexes.get(draft.metric, ""))
        self.card.name.setText(draft.name)
        self.ranges.set_drafts(draft.rows, undo)
        self.refresh()

    def apply_preset(self, title: str) -> None:
        """Fill the form from the preset of that title."""
        self._take_preset(next(preset for preset in PRESETS if preset.title == title))

    def _take_preset(self, preset: Preset) -> None:
        self.show_draft(draft_from_preset(preset), tr("the preset {title}").format(title=preset.title))

    def load_job(self, name: str) -> None:
        """Fill the form with what a job or trial was asked for."""
        engine = self._workbench.engine

        def work(on_progress: OnProgress, cancel: CancelToken) -> Spec:
            return engine.spec(name)

        def done(spec: Spec) -> None:
            self.show_draft(draft_from_spec(spec), tr("the settings of {name}").format(name=name))
            self.resources.show_spec(spec)

        self._bridge.run(work, done, self.card.error.show_error)

    def set_dataset(self, manifest: Manifest) -> None:
        """Train on this dataset version."""
        self._manifest = manifest
        context = tr("{name}, version {version}").format(name=manifest.root.name, version=manifest.version[:8])
        self._header.set_context(context)
        self.refresh()

    def _recalled(self) -> TuningDraft:
        state = self._workbench.settings.recall(_STATE)
        if state:
            try:
                return draft_from_json(state)
            except (TypeError, ValueError, KeyError, AttributeError):
                pass  # written by a version that knew other things
        return draft_from_preset(QUICK_LOOK)

    def _save(self) -> None:
        # Here and not in a thread: the file has one writer, and it is small.
        self._save_timer.stop()
        try:
            self._workbench.settings.remember(_STATE, dataclasses.replace(self.draft(), name="").to_json())
            self.resources.save()
        except UserFacingError as error:
            self.card.error.show_error(error)

    def hideEvent(self, event: QHideEvent) -> None:
        """Keep the form at once: the application may be about to end."""
        super().hideEvent(event)
        if self._save_timer.isActive():
            self._save()

    # Checks and forecast ---------------------------------------------------------------------------------------

    def _on_model(self) -> None:
        self.weights.set_backbone(self.model_form.backbone.currentData())
        self._on_rows()

    def show_augmentation(self) -> AugmentationDialog | None:
        """Show what augmentation makes of a training picture."""
        if self._manifest is None:
            return None
        from gui.tuning.augmentation_dialog import AugmentationDialog  # only now: it imports Pillow

        draft = self.draft()
        framing: Framing = self.model_form.framing.currentData()
        dialog = AugmentationDialog(self.window(), self._bridge, self._manifest, draft.backbone, framing)
        dialog.open()
        return dialog

    def _on_rows(self) -> None:
        if (draft := by_steps(self.draft())) is not None:
            self.show_draft(draft, tr("the search by steps that this model needs"))
        self.refresh()

    def _on_search(self) -> None:
        metric = self.search_form.metric_box.currentText().strip()
        if metric != self._metric:
            self._metric = metric
            self.card.metric_check.show_metric(metric, self._regexes.get(metric, self.card.metric_check.regex.text()))
        self.refresh()

    def problem(self) -> SpecError | None:
        """Return the first thing that is wrong with the form, marked where it is."""
        return self._checked(self.draft())[1]

    def _checked(self, draft: TuningDraft) -> tuple[Spec | None, SpecError | None]:
        """Return what the form asks for, and the first thing that is wrong with it, marked where it is."""
        first = self.ranges.check() or self.card.metric_check.check()
        spec, error = None, self.search_form.check()
        if error is None:
            try:
                spec = self._spec(draft)
            except SpecError as raised:
                error = raised
        for form in (self.search_form, self.resources):
            form.show_error(error)
        return spec, first or error

    def refresh(self) -> None:
        """Validate, name the button, and ask for a forecast soon."""
        draft = self.draft()
        self.model_form.show_searched(draft)
        self.model_form.preview.setEnabled(self._manifest is not None)
        self.search_form.show_tuning(draft.is_tuning)
        self.resources.managed.show_tuning(draft.is_tuning)
        spec, error = self._checked(draft)
        what = tr("Start tuning") if draft.is_tuning else tr("Start training")
        if self._manifest is None:
            why_not = tr("There is no dataset yet.")
        else:
            why_not = f"{error.what} {error.fix}".strip() if error is not None else ""
        self.card.set_ready(what, why_not, self._manifest is not None)
        self.forecast.follow(draft, self._manifest, spec if error is None else None, self.on_cloud)
        self._save_timer.start()

    def _on_jobs(self, jobs: tuple[Job, ...]) -> None:
        self.search_form.offer_warm_starts(warm_starts(jobs, self.on_cloud))

    # Start -----------------------------------------------------------------------------------------------------

    def _spec(self, draft: TuningDraft) -> Spec:
        manifest = self._manifest
        draft = dataclasses.replace(draft, name=slug(draft.name, {job.name for job in self._feed.jobs}))
        if manifest is None:
            spec = build_spec(draft)
        else:
            path = str(manifest.root)
            spec = build_spec(draft, manifest.version, path, project_config(self._workbench.settings, path))
        return self.resources.apply(spec) if self.on_cloud else spec

    def start(self) -> None:
        """Launch the job that the form asks for; one that costs money names its price first."""
        if self._manifest is None or self.launching.busy:
            return
        spec, error = self._checked(self.draft())
        if spec is None or error is not None:
            return
        self.launching.title = self.card.name.text().strip()
        start = self.launching.ask_and_start if self.on_cloud else self.launching.start
        start(spec, self._manifest)

    def _on_started(self, name: str) -> None:
        self.card.name.clear()
        self.refresh()
        self.job_started.emit(name)

    def _on_failed(self, error: UserFacingError) -> None:
        if isinstance(error, WeightsUnavailable):
            self.weights.error.show_error(error)
            self.weights.choice.setFocus()
        elif not (isinstance(error, SpecError) and self.ranges.show_problem(error.field, error)):
            self.card.error.show_error(error)
