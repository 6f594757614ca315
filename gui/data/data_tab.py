"""The Data tab: from a folder to a dataset version that a job can use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QInputDialog,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.dataset.manifest import Manifest
from core.dataset.query import Pick
from core.dataset.records import Problem, ReadOptions
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.data.check_card import CheckCard
from gui.data.class_list import ClassList
from gui.data.elsewhere_banner import ElsewhereBanner
from gui.data.first_run import FirstRun
from gui.data.import_card import ImportCard
from gui.data.open_dataset import OpenDataset, ScanSummary, SplitSummary, what_is_missing
from gui.data.pictures_card import PicturesCard
from gui.data.problems_card import ProblemsCard
from gui.data.s3_panel import S3Panel
from gui.data.source_dialogs import ask_address, choose_file, choose_folder
from gui.data.split_card import SplitCard
from gui.data.write_dialog import WriteDialog
from gui.shared import formatting
from gui.shared.basics import button, icon_button
from gui.shared.card import Card, PageHeader, page_layout
from gui.shared.feedback import Banner, InlineError, ProgressRow

SETTLE_MS = 400
"""A split follows this long after the last of several labels."""

if TYPE_CHECKING:
    from core.labels.labelling import Change


class DataTab(QWidget):
    """Opens folders, shows what is in them, and makes dataset versions.

    Signals:
        dataset_opened(Manifest): this dataset is open, as it is split and labelled now.
        dataset_ready(Manifest): the user wants to work with this dataset.
        dataset_restored(Manifest): the dataset of the last time is there again.
        quick_look_asked(Manifest): the user wants a first search on it at once.
        best_model_asked(Manifest): the user wants the best model for it, and to know before how long that takes.
        aws_asked(): the user wants to know about AWS.
        setting_asked(Manifest, str): the user wants to work with this dataset and change this hyperparameter for it.
    """

    dataset_opened = Signal(object)
    dataset_ready = Signal(object)
    dataset_restored = Signal(object)
    quick_look_asked = Signal(object)
    best_model_asked = Signal(object)
    aws_asked = Signal()
    setting_asked = Signal(object, str)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self.dataset = OpenDataset(workbench, bridge)
        self.card = PicturesCard(workbench, bridge)
        self.pictures = self.card.model
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._split_again)
        self._build()
        self.dataset.scanning.connect(self._on_scanning)
        self.dataset.progressed.connect(self._progress.update_progress)
        self.dataset.found.connect(self.pictures.add)
        self.dataset.scanned.connect(self._on_scanned)
        self.dataset.split.connect(self._show_split)
        self.dataset.went_back.connect(self._on_went_back)
        self.dataset.closed.connect(self._on_closed)
        self.dataset.failed.connect(self._error.show_error)
        self.dataset.restored.connect(self.dataset_restored)

    @property
    def manifest(self) -> Manifest | None:
        """Return the dataset version that is open; None while there is none."""
        return self.dataset.manifest

    # What the window calls

    def show_engine(self) -> None:
        """Show what the engine in use needs to know."""
        self.s3.show_engine()

    def start(self) -> None:
        """Show the recent datasets, and the one of the last time."""
        self._ask_recent()
        self.dataset.open_last()

    def open_folder(self, folder: Path, options: ReadOptions | None = None) -> None:
        """Scan a folder, an archive or a file of labels; what was open comes back when nothing can be read there."""
        self.dataset.open(folder, options)

    def open_together(self, folders: Sequence[Path]) -> None:
        """Scan several folders, archives or files of labels as one dataset."""
        self._error.clear()
        self.dataset.open_together(folders)

    def choose_folder(self) -> None:
        """Let the user choose a folder."""
        title = tr("Open a folder of labelled pictures")
        if (chosen := choose_folder(self, title, self.dataset.place)) is not None:
            self.open_folder(chosen)

    def add_folder(self) -> None:
        """Let the user choose a folder that is one dataset with what is open."""
        folder = self.dataset.folder
        chosen = choose_folder(self, tr("Add a folder to this dataset"), self.dataset.place)
        if chosen is not None and folder is not None:
            self.open_together([folder, chosen])

    def choose_file(self) -> None:
        """Let the user choose an archive or a file of labels."""
        if (chosen := choose_file(self, self.dataset.place)) is not None:
            self.open_folder(chosen)

    def ask_address(self) -> QInputDialog:
        """Ask for a prefix in S3."""
        return ask_address(self, self.open_folder)

    # Building

    def _build(self) -> None:
        self.use = button(tr("Use this dataset"), icon_name="check", kind="primary", shortcut="Ctrl+Return")
        self.use.setShortcut("Ctrl+Return")
        self.use.clicked.connect(self.use_dataset)
        self._header = PageHeader(tr("Data"), "", self.use)
        self.find_best = button(
            tr("Find the best model"),
            icon_name="star",
            tip=tr("Set up a thorough search; it says how long it takes first"),
        )
        self.find_best.clicked.connect(lambda: self._keep(self.best_model_asked))
        self._close = icon_button("x", tr("Close this dataset"))
        self._close.clicked.connect(self.dataset.close)
        self._rescan = icon_button("refresh", tr("Scan again"), shortcut="F5")
        self._rescan.setShortcut("F5")
        self._rescan.clicked.connect(lambda: self.dataset.open_again())
        self.write = button(tr("Write…"), icon_name="save", kind="ghost", tip=tr("Write the labelled dataset to disk"))
        self.write.clicked.connect(self._write)
        self._open = button(tr("Open folder…"), icon_name="folder-open", tip=tr("Open a folder"), shortcut="Ctrl+O")
        self._open.clicked.connect(self.choose_folder)
        self._add = icon_button("plus", tr("Add a folder: both are one dataset, and stay where they are"))
        self._add.clicked.connect(self.add_folder)
        for action in (self._close, self._rescan, self.write, self._add, self._open, self.find_best):
            self._header.add_action(action)
        self._error = InlineError()
        self._error.offer_chosen.connect(self.dataset.open_refused)
        self._progress = ProgressRow()
        self._progress.cancelled.connect(self.dataset.cancel)
        self._sample = Banner(
            tr("This is the sample dataset. A short search finds a good model for it, in about a minute."),
            tone="done",
            icon_name="rocket",
        )
        self.quick_look = button(
            tr("Start a short search"), icon_name="play", tip=tr("Start a short search on this dataset now")
        )
        self.quick_look.clicked.connect(lambda: self._keep(self.quick_look_asked))
        self._sample.add_action(self.quick_look)
        self._sample.hide()
        self._guide = Banner("", tone="running", icon_name="lightbulb")
        self._guide.hide()
        for keys, do in (("Ctrl+Z", self.card.labels.undo), ("Ctrl+Shift+Z", self.card.labels.redo)):
            shortcut = QShortcut(QKeySequence(keys), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(do)
        self.elsewhere = ElsewhereBanner(self._workbench, self._bridge)
        self.elsewhere.taken.connect(lambda: self.dataset.open_again())
        self.elsewhere.failed.connect(self._error.show_error)
        self.first_run = FirstRun()
        self.first_run.sample_asked.connect(self.dataset.open_sample)
        self.first_run.open_asked.connect(self.choose_folder)
        self.first_run.aws_asked.connect(self.aws_asked)
        self.first_run.recent_asked.connect(self.open_folder)
        self._page = self._build_page()
        self._stack = QStackedWidget()
        self._stack.setObjectName("pages")
        self._stack.addWidget(self.first_run)
        self._stack.addWidget(self._page)
        layout = page_layout(self)
        for part in (self._header, self._error, self._sample, self._guide, self.elsewhere):
            layout.addWidget(part)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self._progress)  # below: what is pointed at stays in its place when it comes and goes
        self._update_use()

    def _build_page(self) -> QWidget:
        self.classes = ClassList()
        self.classes.filtered.connect(lambda label, split: self.pictures.ask(label=label, split=split))
        self.classes.pictures_dropped.connect(self.card.chosen.label)
        self.classes.renamed.connect(self.card.labels.rename_class)
        self.classes.made.connect(self.card.labels.add_class)
        self.pictures.sections_changed.connect(self._show_classes)
        self.card.labels_changed.connect(self._on_labels_changed)
        self.card.failed.connect(self._error.show_error)
        classes_card = Card(tr("Classes"))
        classes_card.add(self.classes, 1)
        self.split = SplitCard(self._workbench.settings.current)
        self.split.changed.connect(self._split_again)
        self.problems = ProblemsCard()
        self.problems.offer_chosen.connect(self.dataset.open_again)
        self.problems.setting_asked.connect(
            lambda name: self.dataset.keep(lambda manifest: self.setting_asked.emit(manifest, name))
        )
        self.reading = ImportCard()
        self.reading.options_chosen.connect(self.dataset.open_again)
        self.problems.pictures_asked.connect(self._show_problem)
        self.check = CheckCard(self._workbench, self._bridge)
        self.check.found.connect(self.card.take_findings)
        self.check.trait_asked.connect(self.card.filters.show_trait)
        self.check.remedy_asked.connect(self.card.labels.apply_remedies)
        self.s3 = S3Panel(self._workbench, self._bridge)
        lower = QWidget()
        lower.setObjectName("page")
        lower_box = QVBoxLayout(lower)
        lower_box.setContentsMargins(0, 0, 0, 0)
        lower_box.setSpacing(12)
        for part in (self.reading, self.split, self.check, self.s3, self.problems):
            lower_box.addWidget(part)
        lower_box.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(lower)
        scroll.setAccessibleName(tr("Split, check and problems"))
        left = QSplitter(Qt.Orientation.Vertical)
        left.addWidget(classes_card)
        left.addWidget(scroll)
        left.setSizes([440, 260])
        left.setHandleWidth(12)
        left.setChildrenCollapsible(False)
        # A splitter sets its own largest width, so the fixed one is around it.
        side = QWidget()
        side.setFixedWidth(340)
        side_box = QVBoxLayout(side)
        side_box.setContentsMargins(0, 0, 0, 0)
        side_box.addWidget(left)
        page = QWidget()
        page.setObjectName("page")
        page.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        box = QHBoxLayout(page)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(12)
        box.addWidget(side)
        box.addWidget(self.card, 1)
        return page

    # What is open

    def _end_work(self) -> None:
        self._settle.stop()
        self._progress.finish()

    def _on_scanning(self, folder: Path) -> None:
        self._end_work()
        self._error.clear()
        self._sample.setVisible(self.dataset.is_sample)
        self._guide.hide()
        self.elsewhere.open(None, ())
        self.card.set_root(folder)
        self.classes.reset()
        self.problems.set_waiting()
        self.reading.hide()
        self.split.set_waiting(scanning=True)
        self._update_use()
        self._header.set_context(self._where, self.dataset.words)
        was_asked = self.first_run.isVisible()
        self._stack.setCurrentWidget(self._page)
        if was_asked:  # else a filter would have the focus, and look chosen
            self.classes.view.setFocus()
        self._progress.start(tr("Listing the folder"))

    def _on_scanned(self, answer: ScanSummary) -> None:
        self._progress.finish()
        self._show_scan(answer)
        self._split_again()

    def _on_went_back(self, scanned: ScanSummary, answer: SplitSummary | None) -> None:
        self._end_work()
        self.classes.reset()
        self._show_scan(scanned)
        if answer is None:
            self._split_again()
        else:
            self._show_split(answer)

    def _on_closed(self) -> None:
        self._end_work()
        self.card.stop()
        self.check.open(None)
        self._sample.hide()
        self._guide.hide()
        self.elsewhere.open(None, ())
        self._header.set_context("")
        self._stack.setCurrentWidget(self.first_run)
        self._update_use()
        self._ask_recent()

    def _show_scan(self, answer: ScanSummary) -> None:
        scan = answer.scan
        self.card.open_gallery(answer.gallery, answer.labelling)
        self.elsewhere.open(scan, answer.elsewhere)
        self.reading.set_scan(scan)
        self.problems.set_problems(scan.problems, answer.gallery)
        self.check.open(scan)
        self.split.set_scan(scan)

    # Labelling

    def _show_classes(self) -> None:
        counts = {name: dict[str, int]() for name in self.card.classes()} | dict(self.pictures.label_counts)
        self.classes.set_counts(counts, self.card.keys.key_of)

    def _on_labels_changed(self, change: Change) -> None:
        if change.paths:  # another process's leave the offer to the user
            self.elsewhere.hide()
        self._show_classes()
        self.dataset.unsplit()
        self._update_use()
        self._settle.start()

    # Splitting

    def _split_again(self) -> None:
        if self.dataset.scan is None:
            return
        self.dataset.unsplit()
        self._update_use()
        self._guide.set_text(what_is_missing(self.pictures.gallery))
        if len(self.pictures.gallery.classes) < 2:
            self.pictures.set_splits({})
            self.split.set_waiting(scanning=False)
            return
        self.dataset.split_by(self.split.fractions, self.split.seed.value())

    @property
    def _where(self) -> str:
        """Return the words for what is open, of a folder only the end, by which it is known."""
        words = self.dataset.words
        return formatting.short_folder(words) if words == str(self.dataset.folder) else words

    def _show_split(self, answer: SplitSummary) -> None:
        self.pictures.set_splits(answer.splits)
        self.split.set_result(answer.counts, answer.manifest.notices)
        context = tr("{folder} · version {version}")
        context = context.format(folder=self._where, version=answer.manifest.version[:8])
        self._header.set_context(context, self.dataset.words)
        self._sample.setVisible(self.dataset.is_sample)
        self._update_use()
        self.dataset_opened.emit(answer.manifest)

    def _write(self) -> None:
        manifest, scan = self.dataset.manifest, self.dataset.scan
        if manifest is not None and scan is not None:
            dialog = WriteDialog(self, self._workbench, self._bridge, manifest, scan, self.dataset.folder)
            dialog.moved.connect(self.dataset.open_moved)
            dialog.finished.connect(dialog.deleteLater)
            dialog.open()

    def _show_problem(self, problem: Problem) -> None:
        self.card.show_pick(Pick(problem.message, problem.paths))

    # Using

    def use_dataset(self) -> None:
        """Keep this dataset version and tell the window."""
        self._keep(self.dataset_ready)

    def _keep(self, then: SignalInstance) -> None:
        self.dataset.keep(then.emit)

    def _ask_recent(self) -> None:
        self.dataset.ask_recent(self.first_run.set_recent)

    # Words

    def _update_use(self) -> None:
        open_now = self.dataset.folder is not None
        self.write.setEnabled(self.manifest is not None)
        for action in (self.use, self._close, self._rescan, self.write, self._add, self._open, self.find_best):
            action.setVisible(open_now)
        errors = len(self.dataset.scan.errors) if self.dataset.scan is not None else 0
        despite = plural("Use despite {count:,} error", "Use despite {count:,} errors", errors)
        self.use.setText(despite if errors else tr("Use this dataset"))
        self.use.setEnabled(self.manifest is not None)
        self.quick_look.setEnabled(self.manifest is not None)
        self.find_best.setEnabled(self.manifest is not None)
        self.s3.set_manifest(self.manifest)
