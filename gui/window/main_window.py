"""The window: the rail of tabs, the pages behind them, and what goes from one page to another."""

from __future__ import annotations

import importlib
from functools import partial
from typing import cast

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDesktopServices,
    QGuiApplication,
)
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QToolButton, QWidget

from core.errors import UserFacingError
from core.jobs.records import Event, Job, RuleOutcome
from core.jobs.status import JobStatus, RuleStatus
from core.progress import CancelToken, OnProgress
from core.settings import Settings, declared
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.cloud.cloud_controller import CloudController
from gui.feed import JobsFeed
from gui.shared.basics import icon_button
from gui.shared.dialogs import defect_dialog, error_dialog, shortcuts_dialog
from gui.shared.theme import Choice, Theme
from gui.shared.toast import Toasts
from gui.window.close_confirmation import CloseConfirmation
from gui.window.drops import WindowDrops
from gui.window.help_dialogs import about_dialog, help_dialog
from gui.window.menu import WindowMenu
from gui.window.pages import PAGES, Pages
from gui.window.rail import Rail, RailTabs
from gui.window.status_bar import WindowStatus

GEOMETRY_KEY, TAB_KEY = "window.geometry", "window.tab"
START_SIZE = (1280, 800)
FRAME = (8, 48)
"""Room for the frame and title bar of a window that was not shown yet, when no one knows how large they are."""
WARM_MS, NEXT_PAGE_MS, PRELOAD_MS = 250, 300, 1500


class MainWindow(QMainWindow):
    """Everything the user sees. It owns the feed; workbench and bridge belong to who made them."""

    def __init__(self, workbench: Workbench, bridge: Bridge, theme: Theme) -> None:
        super().__init__()
        self.workbench, self._bridge, self._theme = workbench, bridge, theme
        self.feed = JobsFeed(lambda: workbench.engine, bridge)
        self._statuses: dict[str, JobStatus] = {}
        self._said_notice = ""
        self._build()
        self._make_actions()
        self.closing = CloseConfirmation(self, workbench, bridge, self.feed)
        self.cloud = CloudController(self, workbench, bridge, self.toasts)
        self._connect_cloud()
        self.pages = Pages(self._stack, workbench, bridge, self.feed, self.cloud, self.show_page, self.status.say)
        self.drops = WindowDrops(self, bridge, lambda: self.shown, self.pages.open_datasets, self.pages.classify)
        bridge.failed.connect(self.show_error)
        self.feed.jobs_changed.connect(self._on_jobs_changed)
        self.feed.events.connect(self._on_events)
        self.feed.trouble.connect(lambda error: self.status.say(str(error)))
        self._restore()

    # Pages

    def show_page(self, key: str) -> None:
        """Show a tab's page, and make it if it was never shown."""
        made = self.page(key)
        self._stack.setCurrentWidget(made)
        at = self._keys.index(key)
        if self.rail.currentIndex() != at:
            self.rail.setCurrentIndex(at)
        self.rail.set_mark(at)

    def page(self, key: str) -> QWidget:
        """Return a tab's page, made on first use."""
        return self.pages[key]

    @property
    def shown(self) -> str:
        """Return the key of the tab that is shown."""
        return self._keys[self.rail.currentIndex()]

    def start(self) -> None:
        """Do what may wait until the window is painted: the last dataset, the feed."""
        self._say_notice()
        self.pages.data.start()
        self.feed.start()
        self.cloud.start()
        QTimer.singleShot(WARM_MS, self, self._warm)
        if self.workbench.settings.current.preload_model:
            QTimer.singleShot(PRELOAD_MS, self, self._preload)

    def _say_notice(self) -> None:
        """Say what the store has to say, once: the engine may have recovered jobs when it was made."""
        if (notice := self.workbench.store.notice) != self._said_notice:
            self._said_notice = notice
            if notice:
                self.toasts.show(notice, "warning", stays=True)

    def _warm(self) -> None:
        """Import what the other pages need in a thread: most of the time that their first showing would take."""
        modules = [spec.module for spec in PAGES]

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            # The detail of a job brings the plots; its page imports it when there is a job to show.
            for module in (*modules, "gui.jobs.job_detail"):
                cancel.raise_if_cancelled()
                importlib.import_module(module)

        self._bridge.run(work, self._make_next_page)

    def _make_next_page(self, _nothing: None = None) -> None:
        """Make one page that was not shown yet, then the next a little later: a tab then answers at once."""
        missing = [key for key in self._keys if key not in self.pages.made]
        if not missing:
            return
        if QGuiApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self.page(missing[0])
        QTimer.singleShot(NEXT_PAGE_MS, self, self._make_next_page)

    def _preload(self) -> None:
        """Load the best model, if there is one, so that the first picture is answered at once."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> bool:
            return self.workbench.models.best() is not None

        self._bridge.run(work, self._on_preload)

    def _on_preload(self, there_is_one: bool) -> None:
        if there_is_one:
            self.pages.predict.models.refresh()

    def _connect_cloud(self) -> None:
        cloud, status = self.cloud, self.status
        cloud.said.connect(status.say)
        cloud.notice_changed.connect(status.show_notice)
        cloud.engine_known.connect(status.show_engine)
        cloud.switched.connect(self.feed.restart)
        cloud.account_known.connect(status.show_account)
        cloud.endpoints_counted.connect(status.show_endpoints)
        cloud.close_asked.connect(self.close)
        status.engine_asked.connect(cloud.show_dialog)
        status.endpoints_asked.connect(cloud.show_endpoints)

    def _on_jobs_changed(self, jobs: tuple[Job, ...]) -> None:
        self._say_notice()
        self.status.show_jobs(self.feed.running)
        for job in jobs:
            before = self._statuses.get(job.name)
            if before is not None and not before.is_final and job.status.is_final:
                self._tell_end(job)
        self._statuses = {job.name: job.status for job in jobs}

    def _on_events(self, events: tuple[Event, ...]) -> None:
        """Mark the Debugger's tab when a rule finds an issue; looking at it takes the mark away."""
        found = any(isinstance(event, RuleOutcome) and event.status is RuleStatus.ISSUES_FOUND for event in events)
        if found and self.shown != "debugger":
            self.rail.set_mark(self._keys.index("debugger"), tr("a rule found an issue"))

    def _tell_end(self, job: Job) -> None:
        if not self.workbench.settings.current.notify:
            return
        sentences = {JobStatus.COMPLETED: tr("{name} has completed."), JobStatus.STOPPED: tr("{name} was stopped.")}
        sentence = sentences.get(job.status, tr("{name} has failed.")).format(name=job.shown_name)

        def show(result: str) -> None:
            said = tr("{name} has completed. {result}.").format(name=job.shown_name, result=result)
            self.toasts.show(said if result else sentence, job.status, tr("Show"), lambda: self.pages.show_ended(job))

        if job.status is not JobStatus.COMPLETED or job.accuracy is None:
            show("")
            return
        self._bridge.run(lambda on_progress, cancel: self.workbench.jobs.result(job), show, lambda error: show(""))

    # Building

    def _build(self) -> None:
        self.setWindowTitle(tr("Sagehound"))
        self.setMinimumSize(960, 600)
        self._specs = {spec.key: spec for spec in PAGES}
        self._keys = [spec.key for spec in PAGES]
        self.rail = RailTabs()
        for number, spec in enumerate(PAGES, 1):
            self.rail.add(spec.icon, spec.word, f"Ctrl+{number}")
        self.rail.currentChanged.connect(lambda at: self.show_page(self._keys[at]))
        settings = icon_button("settings", tr("Settings"), shortcut="Ctrl+,")
        settings.clicked.connect(self.show_settings)
        self._menu_button = icon_button("more", tr("Menu"), shortcut="F10")
        self._menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._stack = QStackedWidget()
        self._stack.setObjectName("pages")
        middle = QWidget()
        box = QHBoxLayout(middle)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(Rail(self.rail, settings, self._menu_button))
        box.addWidget(self._stack, 1)
        self.setCentralWidget(middle)
        self.status = WindowStatus()
        self.status.jobs_asked.connect(lambda: self.show_page("jobs"))
        self.setStatusBar(self.status)
        self.toasts = Toasts(self)

    def _make_actions(self) -> None:
        menu = WindowMenu(self)
        menu.add(tr("Open folder…"), "Ctrl+O", self._open_folder)
        menu.add(tr("Open archive or labels…"), "Ctrl+Alt+O", self._open_file)
        menu.add(tr("Open from S3…"), "", self._open_address)
        menu.add(tr("Open pictures…"), "Ctrl+Shift+O", self._open_pictures)
        menu.add(tr("Paste picture"), "Ctrl+V", self._paste)
        menu.addSeparator()
        for number, key in enumerate(self._keys, 1):
            menu.add(self._specs[key].word, f"Ctrl+{number}", partial(self.show_page, key))
        menu.addSeparator()
        self.colours = menu.add_choices(tr("Colours"), declared("theme").choices, self._choose_theme)
        self.colours[self._theme.choice].setChecked(True)
        menu.add(tr("Settings…"), "Ctrl+,", self.show_settings)
        menu.add(tr("Unused imports…"), "", self._show_imports)
        menu.add(tr("Connect to AWS…"), "", lambda: self.cloud.show_dialog())
        menu.add(tr("Endpoints…"), "", lambda: self.cloud.show_endpoints())
        menu.add(tr("Adopt a job from AWS…"), "", lambda: self.cloud.show_adopt())
        menu.addSeparator()
        menu.add(tr("Keyboard"), "F1", lambda: shortcuts_dialog(self, self.actions()).ask())
        menu.add(tr("Help"), "", lambda: help_dialog(self).ask())
        menu.add(tr("Open log folder"), "", self._open_logs)
        menu.add(tr("About Sagehound"), "", lambda: about_dialog(self, self.workbench.paths.home).ask())
        menu.addSeparator()
        menu.add(tr("Quit"), "Ctrl+Q", self.close)
        self._menu_button.setMenu(menu)
        open_menu = QAction(tr("Menu"), self)
        open_menu.setShortcut("F10")
        open_menu.triggered.connect(self._menu_button.showMenu)
        self.addAction(open_menu)

    # Commands

    def _open_folder(self) -> None:
        self.show_page("data")
        self.pages.data.choose_folder()

    def _open_file(self) -> None:
        self.show_page("data")
        self.pages.data.choose_file()

    def _open_address(self) -> None:
        self.show_page("data")
        self.pages.data.ask_address()

    def _open_pictures(self) -> None:
        self.show_page("predict")
        self.pages.predict.open_pictures()

    def _paste(self) -> None:
        from gui.shared.picture_mime import has_pictures, picture_items

        mime = QGuiApplication.clipboard().mimeData()
        if mime is None or not has_pictures(mime):
            self.status.say(tr("There is no picture in the clipboard."))
            return
        self.show_page("predict")
        self.pages.predict.take(picture_items(mime))

    def _show_imports(self) -> None:
        from gui.data.imports_dialog import ask_about_imports

        ask_about_imports(self, self.workbench, self._bridge, self.status.say)

    def _open_logs(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.workbench.paths.logs)))

    def _choose_theme(self, choice: str) -> None:
        self._theme.choose(cast(Choice, choice))
        self.colours[choice].setChecked(True)
        if self.workbench.settings.current.theme != choice:
            self.workbench.settings.change(theme=choice)

    def show_settings(self) -> None:
        """Open the settings."""
        from gui.window.settings_dialog import SettingsDialog

        dialog = SettingsDialog(self, self.workbench.settings, self._on_setting)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_setting(self, name: str, settings: Settings) -> None:
        if name == "theme":
            self._choose_theme(settings.theme)
        elif name == "text_percent":
            self._theme.set_text_percent(settings.text_percent)

    # Errors

    def show_error(self, error: UserFacingError) -> None:
        """Show an error that has no place of its own."""
        error_dialog(self, error).ask()

    def show_defect(self, summary: str, text: str) -> None:
        """Show a defect of Sagehound."""
        defect_dialog(self, summary, text).ask()

    # Opening and closing

    def _restore(self) -> None:
        recall = self.workbench.settings.recall
        self.resize(start_size(self.screen().availableSize()))
        saved = recall(GEOMETRY_KEY)
        if isinstance(saved, str):
            self.restoreGeometry(QByteArray.fromBase64(saved.encode()))
        self.show_page("data")
        key = recall(TAB_KEY)
        if key in self._keys and key != "data":
            # The first paint does not wait for a page that takes longer to make.
            QTimer.singleShot(0, self, lambda: self.show_page(key))
        self.rail.setFocus(Qt.FocusReason.OtherFocusReason)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close at once, or ask first what to do with running jobs."""
        if self.closing.may_close() and self.cloud.may_close():
            self._save_state()
            self.feed.stop()
            self.cloud.stop()
            event.accept()
        else:
            event.ignore()

    def quit_quietly(self) -> None:
        """Close without a question; running jobs continue."""
        self.closing.decide()
        self.cloud.decide()
        self.close()

    def _save_state(self) -> None:
        try:
            self.workbench.settings.remember(GEOMETRY_KEY, bytes(self.saveGeometry().toBase64().data()).decode())
            self.workbench.settings.remember(TAB_KEY, self.shown)
        except UserFacingError:
            # A full disk must not keep the window from closing.
            return


def start_size(available: QSize) -> QSize:
    """Return how large a new window is where a screen has so much room: with its frame it fits."""
    return QSize(*START_SIZE).boundedTo(available - QSize(*FRAME))
