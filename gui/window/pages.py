"""The pages behind the rail: made when they are first shown, and what goes from one to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtWidgets import QAbstractSpinBox, QStackedWidget, QWidget

from core.dataset.manifest import Manifest
from core.models import ModelAddress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.cloud.cloud_controller import CloudController
from gui.feed import JobsFeed
from gui.models.actions import ModelActions
from gui.shared.basics import padded

if TYPE_CHECKING:
    from core.jobs.records import Job
    from gui.data.data_tab import DataTab
    from gui.debugger.debugger_tab import DebuggerTab
    from gui.jobs.jobs_tab import JobsTab
    from gui.predict.predict_tab import PredictTab
    from gui.tuning.tuning_tab import TuningTab


@dataclass(frozen=True, slots=True)
class PageSpec:
    """A tab: its key, word and icon, and the module of its page, which is imported when it is first shown."""

    key: str
    word: str
    icon: str
    module: str


PAGES = (
    PageSpec("data", tr("Data"), "data", "gui.data.data_tab"),
    PageSpec("tuning", tr("Tuning"), "tuning", "gui.tuning.tuning_tab"),
    PageSpec("jobs", tr("Jobs"), "jobs", "gui.jobs.jobs_tab"),
    PageSpec("debugger", tr("Debugger"), "debugger", "gui.debugger.debugger_tab"),
    PageSpec("predict", tr("Predict"), "predict", "gui.predict.predict_tab"),
)

_Page = TypeVar("_Page", bound=QWidget)


class Pages:
    """The pages of one window. A page is given what it works with, and asks for other pages by its signals.

    Args:
        stack: holds the pages that were made.
        show_page: shows a page by its key.
        say: shows a short message in the status bar.
    """

    def __init__(
        self,
        stack: QStackedWidget,
        workbench: Workbench,
        bridge: Bridge,
        feed: JobsFeed,
        cloud: CloudController,
        show_page: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self._stack, self.workbench, self._bridge, self.feed, self.cloud = stack, workbench, bridge, feed, cloud
        self.show_page, self._say = show_page, say
        self.models = ModelActions(stack.window, workbench, bridge, say)
        self.made: dict[str, QWidget] = {}
        self._manifest: Manifest | None = None
        self._opened: Manifest | None = None
        self._makers: dict[str, Callable[[], QWidget]] = {
            "data": lambda: self.data,
            "tuning": lambda: self.tuning,
            "jobs": lambda: self.jobs,
            "debugger": lambda: self.debugger,
            "predict": lambda: self.predict,
        }
        cloud.endpoints_changed.connect(lambda endpoints: self.predict.set_endpoints(endpoints))
        cloud.endpoint_chosen.connect(self._on_endpoint_chosen)
        cloud.job_adopted.connect(self._on_job_started)

    def __getitem__(self, key: str) -> QWidget:
        """Return a page by its key, made on first use."""
        return self._makers[key]()

    @cached_property
    def data(self) -> DataTab:
        """Return the Data page."""
        from gui.data.data_tab import DataTab

        page = self._add_page("data", DataTab(self.workbench, self._bridge))
        page.dataset_ready.connect(self._on_dataset_ready)
        page.dataset_opened.connect(self._on_dataset_opened)
        page.dataset_restored.connect(self._set_manifest)
        page.quick_look_asked.connect(self._on_quick_look)
        page.best_model_asked.connect(self._on_best_model)
        page.aws_asked.connect(self.cloud.show_dialog)
        page.setting_asked.connect(self._on_dataset_setting)
        self._show_engine_on(page.show_engine)
        return page

    @cached_property
    def tuning(self) -> TuningTab:
        """Return the Tuning page."""
        from gui.tuning.tuning_tab import TuningTab

        page = self._add_page("tuning", TuningTab(self.workbench, self._bridge, self.feed))
        page.job_started.connect(self._on_job_started)
        page.dataset_asked.connect(lambda: self.show_page("data"))
        self._show_engine_on(page.show_engine)
        if self._manifest is not None:
            page.set_dataset(self._manifest)
        return page

    @cached_property
    def jobs(self) -> JobsTab:
        """Return the Jobs page."""
        from gui.jobs.jobs_tab import JobsTab

        page = self._add_page("jobs", JobsTab(self.workbench, self._bridge, self.feed))
        page.use_model_asked.connect(self._on_use_model)
        page.train_again_asked.connect(self._on_train_again)
        page.tuning_asked.connect(self._go_tuning)
        page.deploy_asked.connect(self.cloud.deploy)
        page.save_model_asked.connect(lambda job: self.models.save(ModelAddress.job(job)))
        page.pictures_asked.connect(self._on_pictures)
        return page

    @cached_property
    def debugger(self) -> DebuggerTab:
        """Return the Debugger page."""
        from gui.debugger.debugger_tab import DebuggerTab

        page = self._add_page("debugger", DebuggerTab(self.workbench, self._bridge, self.feed))
        page.setting_asked.connect(self._on_setting)
        return page

    @cached_property
    def predict(self) -> PredictTab:
        """Return the Predict page."""
        from gui.predict.predict_tab import PredictTab

        page = self._add_page("predict", PredictTab(self.workbench, self._bridge, self.feed))
        page.tuning_asked.connect(self._go_tuning)
        page.notified.connect(self._say)
        page.save_asked.connect(self.models.save)
        page.serve_asked.connect(self.models.serve)
        page.sort_asked.connect(self.models.sort)
        if self._opened is not None:
            page.set_dataset(self._opened)
        return page

    def _add_page(self, key: str, page: _Page) -> _Page:
        self.made[key] = page
        for spin in page.findChildren(QAbstractSpinBox):
            padded(spin)
        self._stack.addWidget(page)
        return page

    def _show_engine_on(self, show_engine: Callable[[], None]) -> None:
        """Let a page hear which engine new jobs start on: now, where it is known, and at every change."""
        self.cloud.engine_known.connect(show_engine)
        if self.cloud.session.engine:
            show_engine()

    # From page to page

    def _set_manifest(self, manifest: Manifest) -> None:
        self._manifest = manifest
        if "tuning" in self.made:
            self.tuning.set_dataset(manifest)

    def _on_dataset_opened(self, manifest: Manifest) -> None:
        """Let Predict prefer models that learned from what is open, and say where there is none, before it is used."""
        self._opened = manifest
        if "predict" in self.made:
            self.predict.set_dataset(manifest)

    def _on_dataset_ready(self, manifest: Manifest) -> None:
        self._set_manifest(manifest)
        self.show_page("tuning")
        self._say(tr("Dataset version {version} is ready.").format(version=manifest.version[:8]))

    def _on_quick_look(self, manifest: Manifest) -> None:
        from core.tuning.presets import QUICK_LOOK

        self._set_manifest(manifest)
        self.tuning.apply_preset(QUICK_LOOK.title)
        self.show_page("tuning")
        self.tuning.start()

    def _on_best_model(self, manifest: Manifest) -> None:
        """Set up the search; what it will do and how long it takes stands beside the button that starts it."""
        from core.tuning.presets import THOROUGH

        self._set_manifest(manifest)
        self.tuning.apply_preset(THOROUGH.title)
        self.show_page("tuning")

    def _on_job_started(self, name: str) -> None:
        self.feed.refresh()
        self.show_job(name)

    def _on_use_model(self, job: str) -> None:
        self.predict.use_model(job)
        self.show_page("predict")

    def _on_endpoint_chosen(self, name: str) -> None:
        self.predict.use_endpoint(name)
        self.show_page("predict")

    def _on_train_again(self, job: str) -> None:
        self.tuning.load_job(job)
        self.show_page("tuning")

    def _on_dataset_setting(self, manifest: Manifest, name: str) -> None:
        """Set a job up for a dataset, at the setting that its pictures ask to change."""
        self._set_manifest(manifest)
        self._on_setting(name)

    def _on_setting(self, name: str) -> None:
        """Show the setting that a finding asks to change."""
        self.show_page("tuning")
        self.tuning.show_setting(name)

    def _go_tuning(self) -> None:
        """Show where a job is set up, or where its dataset comes from."""
        self.show_page("tuning" if self._manifest is not None else "data")

    def show_job(self, name: str) -> None:
        """Show a job on its page."""
        self.jobs.show_job(name)
        self.show_page("jobs")

    def show_ended(self, job: Job) -> None:
        """Show a job that has ended on its page, if it is still there."""
        self.show_page("jobs")
        self.jobs.show_ended(job)

    def open_datasets(self, folders: Sequence[Path]) -> None:
        """Open folders, archives or files of labels as one dataset."""
        self.show_page("data")
        self.data.open_together(folders)

    def _on_pictures(self, paths: list[str], job: str) -> None:
        """Look at pictures with the model that was judged on them, and say so where another was chosen."""
        chosen = self.predict.chooser.chosen

        def show(has_model: bool) -> None:
            self.show_page("predict")
            if has_model:
                self.predict.take([Path(path) for path in paths])
                if self.predict.chooser.chosen != chosen:
                    self._say(tr("{job} answers now: it was judged on these pictures.").format(job=job))

        self.predict.use_model(job, show)

    def classify(self, items: Any) -> None:
        """Classify pictures, and folders of them."""
        self.show_page("predict")
        self.predict.take(items)
