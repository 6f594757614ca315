"""The Predict tab: drop, paste or open pictures and read their classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import (
    QGuiApplication,
    QShowEvent,
)
from PySide6.QtWidgets import QFileDialog, QStackedWidget, QWidget

from core.dataset.manifest import Manifest
from core.engine import Endpoint
from core.errors import ModelError, PictureError, UserFacingError
from core.models import Model, ModelAddress, ModelKind
from core.predict.intake import Intake, Item, NamedPicture
from core.predict.predictions_csv import write_csv
from core.predict.records import Answer, Prediction, Rendered, Unreadable
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed
from gui.predict.answer_view import AnswerView
from gui.predict.answering_model import AnsweringModel
from gui.predict.judged_folder import JudgedFolder
from gui.predict.picture_drop import PictureDropArea
from gui.predict.predict_session import PredictSession
from gui.predict.prediction_table import THUMBNAIL_PIXELS, PredictionTable
from gui.predict.recent_strip import RecentStrip
from gui.shared.basics import button
from gui.shared.card import PageHeader, page_layout
from gui.shared.feedback import EmptyState, InlineError, ProgressRow
from gui.shared.nearest_strip import NearestStrip
from gui.shared.picture_mime import picture_items
from training_scripts.pictures.formats import SUFFIXES

THUMBNAIL = 128
_REFRESH_MS, _PROGRESS_AFTER_MS = 500, 300


class PredictTab(QWidget):
    """A page that takes pictures and shows what the chosen model says of them.

    Signals:
        tuning_asked(): there is no model yet, and the user wants to make one.
        notified(str): something was done that deserves a word.
        save_asked(ModelAddress), serve_asked(ModelAddress): the chosen model is to be saved, or served here.
        sort_asked(ModelAddress, Path): the pictures of this folder are to be sorted by the chosen model.
    """

    tuning_asked = Signal()
    notified = Signal(str)
    save_asked = Signal(object)
    serve_asked = Signal(object)
    sort_asked = Signal(object, object)

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed) -> None:
        super().__init__()
        self._workbench, self._bridge, self._feed = workbench, bridge, feed
        self._taken: Sequence[NamedPicture] = ()
        self._folder: Path | None = None
        self._shown: NamedPicture | None = None
        self._from_table = False
        self.error = InlineError()
        self.progress = ProgressRow()
        self.session = PredictSession(workbench, bridge)
        self.models = AnsweringModel(workbench, bridge, feed, self.session)
        self.chooser, self.foreign = self.models.chooser, self.models.foreign
        self.pages = QStackedWidget()
        self.nearest = NearestStrip(bridge, workbench.paths.thumbnails)
        self.nearest.activated.connect(lambda paths: self.take([Path(path) for path in paths]))
        self.drop, self.answer, self.table = PictureDropArea(), AnswerView(self.nearest), PredictionTable()
        self.recent = RecentStrip()
        self.judged = JudgedFolder(self.session)
        self._build()
        self.models.offered.connect(self._show_page)
        self.models.chosen.connect(self._on_model_chosen)
        self.models.failed.connect(self._show_error)
        self.session.state_changed.connect(self.header.set_context)
        self.session.model_loaded.connect(self._on_loaded)
        self.session.load_failed.connect(self._show_error)
        self.session.progressed.connect(self._on_progress)
        self.session.notified.connect(self.notified)
        self._slow = self._timer(_PROGRESS_AFTER_MS, lambda: self.progress.start(tr("Classifying")))
        self._refresh = self._timer(_REFRESH_MS, self.models.refresh)
        feed.jobs_changed.connect(self._on_jobs_changed)

    # What others call --------------------------------------------------------------------------------------------

    def take(self, items: Sequence[Item]) -> None:
        """Classify what was dropped, pasted or opened; what was under way before is cancelled."""
        self.cancel()
        self.error.clear()
        self._taken, self._folder = (), None
        if not items:
            self._show_error(PictureError(tr("There is no picture in that."), fix=tr("Drop, paste or open a picture.")))
            return
        self._slow.start()
        self.session.gather(items, lambda intake: self._on_gathered(intake, items), self._on_failed)

    def use_model(self, job: str, then: Callable[[bool], None] | None = None) -> None:
        """Choose a job's model ("best" for the best one) and load it; see `AnsweringModel.use_job`."""
        self.models.use_job(job, then)

    def set_dataset(self, dataset: Manifest) -> None:
        """Prefer models that learned from this dataset."""
        self.models.set_dataset(dataset)
        if self.isVisible():
            self.models.refresh()

    def set_endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        """Offer the endpoints that answer."""
        self.models.set_endpoints([endpoint.name for endpoint in endpoints if endpoint.status == "InService"])

    def use_endpoint(self, name: str) -> None:
        """Choose an endpoint of those set."""
        self.models.use(ModelAddress.endpoint(name))

    def paste(self) -> None:
        """Classify what is in the clipboard."""
        self.take(picture_items(QGuiApplication.clipboard().mimeData()))

    def cancel(self) -> None:
        """Stop what is under way; answers that came stay."""
        if self.session.busy and self.pages.currentWidget() is self.table:
            self.table.finish()
        self.session.cancel()
        self._end_progress()

    # Building ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.open_button = button(tr("Open pictures…"), icon_name="picture", kind="primary", shortcut="Ctrl+Shift+O")
        self.open_button.clicked.connect(self.open_pictures)
        self.header = PageHeader(tr("Predict"), "", self.open_button)
        self.header.add_action(self.chooser)
        self.save_button = button(
            tr("Save model…"), icon_name="save", tip=tr("Write this model in a format that others run")
        )
        self.serve_button = button(tr("Serve…"), icon_name="play", tip=tr("Let programs and browsers ask this model"))
        self.save_button.clicked.connect(lambda: self.save_asked.emit(self.chooser.wanted))
        self.serve_button.clicked.connect(lambda: self.serve_asked.emit(self.chooser.wanted))
        for leaves in (self.save_button, self.serve_button):
            leaves.setEnabled(False)
            self.header.add_action(leaves)
        self.progress.cancelled.connect(self.cancel)
        self.nothing = EmptyState("predict", tr("There is no model yet"), tr("Go to Tuning"))
        self.nothing.activated.connect(self.tuning_asked)
        self.drop.open_asked.connect(self.open_pictures)
        self.drop.folder_asked.connect(self.open_folder)
        self.drop.paste_asked.connect(self.paste)
        self.answer.explanation_asked.connect(self._on_explanation_asked)
        self.answer.back_asked.connect(lambda: self.pages.setCurrentWidget(self.table))
        self.answer.step_asked.connect(self._on_step_asked)
        self.judged.judged.connect(self.table.show_truth)
        self.judged.failed.connect(self._show_error)
        self.table.opened.connect(self._on_row_opened)
        self.table.export_asked.connect(self.export)
        self.table.sort_asked.connect(self._on_sort_asked)
        self.recent.picture_chosen.connect(self._on_recent_chosen)
        for page in (self.drop, self.nothing, self.answer, self.table):
            self.pages.addWidget(page)
        box = page_layout(self)
        for widget in (self.header, self.foreign, self.error, self.judged, self.progress):
            box.addWidget(widget)
        box.addWidget(self.pages, 1)
        box.addWidget(self.recent)

    def _timer(self, milliseconds: int, act: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(act)
        return timer

    # Models ------------------------------------------------------------------------------------------------------

    def _show_page(self) -> None:
        answers = self.chooser.resolved
        self.serve_button.setEnabled(answers is not None)
        self.save_button.setEnabled(answers is not None and answers.kind is not ModelKind.ENDPOINT)
        if any(job.kind != "watched" for job in self._feed.running):  # a script of the user's keeps its model
            action, why = "", tr("A job is running: its best trial answers here as soon as one is done.")
        else:
            action, why = tr("Go to Tuning"), tr("Tune or train on a dataset first. The best trial then answers here.")
        self.nothing.set_texts(tr("There is no model yet"), action, why)
        if self.pages.currentWidget() in (self.drop, self.nothing):
            self.pages.setCurrentWidget(self.nothing if self.chooser.resolved is None else self.drop)

    def _on_model_chosen(self) -> None:
        self.error.clear()
        # What is on the page is the chosen model's answer, also where the one before could not give any.
        if self._taken:
            self._classify(self._taken)

    def _on_loaded(self, model: Model) -> None:
        self.header.set_context(model.caption)
        self.header.setToolTip(model.why_runtime)

    def _on_jobs_changed(self, _jobs: object) -> None:
        if self.isVisible() and not self._refresh.isActive():
            self._refresh.start()

    # Classifying -------------------------------------------------------------------------------------------------

    def _on_gathered(self, intake: Intake, items: Sequence[Item]) -> None:
        self._end_progress()
        self._folder = _folder_among(items, intake)
        if intake.error is not None:
            self._show_error(intake.error)
        if intake.pictures:
            self._classify(intake.pictures)

    def _on_sort_asked(self) -> None:
        if self._folder is not None:
            self.sort_asked.emit(self.chooser.wanted, self._folder)

    def _on_recent_chosen(self, picture: NamedPicture) -> None:
        self.error.clear()
        self._classify([picture])

    def _classify(self, pictures: Sequence[NamedPicture]) -> None:
        self._taken = pictures
        if self._has_model():
            self._slow.start()
            if len(pictures) == 1:
                self._classify_one(pictures[0])
            else:
                self._classify_many(pictures)

    def _classify_one(self, picture: NamedPicture) -> None:
        self._from_table, self._shown = False, picture
        self.judged.forget()
        self.session.classify(
            self.chooser.wanted,
            [picture.source],
            THUMBNAIL,
            lambda answers: self._on_one_answered(picture, answers[0]),
            self._on_failed,
        )

    def _classify_many(self, pictures: Sequence[NamedPicture]) -> None:
        self._shown = None
        self.judged.forget()
        self.table.sort_button.setVisible(self._folder is not None)
        self.recent.clearSelection()  # none of them is what is shown
        self.table.start(pictures)
        self.pages.setCurrentWidget(self.table)
        self.session.classify(
            self.chooser.wanted,
            [picture.source for picture in pictures],
            THUMBNAIL_PIXELS,
            lambda _answers: self._on_many_answered(),
            self._on_failed,
            self.table.add,
        )

    def _on_one_answered(self, picture: NamedPicture, answer: Answer) -> None:
        self._end_progress()
        if isinstance(answer, Unreadable):
            self._show_error(answer.error)
            return
        self.recent.add(picture, answer)
        self._show_answer(picture, answer)

    def _on_many_answered(self) -> None:
        self._end_progress()
        self.table.finish()
        if self._folder is not None:
            self.judged.judge(self._folder, self.table.model.rows())

    def _show_answer(self, picture: NamedPicture, answer: Prediction) -> None:
        self._shown = picture
        self.nearest.clear()
        self.answer.set_answer(picture, answer, self.session.model)
        self.answer.set_from_table(self._from_table)
        self.answer.why_button.setVisible(self.session.model is not None and self.session.model.explains)
        self.pages.setCurrentWidget(self.answer)
        self.session.render(picture.source, self._on_rendered, self._show_error)

    def _on_rendered(self, rendered: Rendered) -> None:
        """Show the picture; only then look for its neighbours, which the same process finds."""
        self.answer.set_picture(rendered)
        model, shown, workbench = self.session.model, self._shown, self._workbench
        if model is not None and shown is not None:
            self.nearest.ask(lambda cancel: workbench.models.nearest(model, shown.source, cancel))

    def _on_step_asked(self, by: int) -> None:
        if self._from_table and not self.session.busy:
            self.table.step(by)

    def _on_row_opened(self, row: int) -> None:
        answer = self.table.model.answer(row)
        if isinstance(answer, Unreadable):
            self._show_error(answer.error)
        elif answer is not None and not self.session.busy:
            self.error.clear()
            self._from_table = True
            self._show_answer(self.table.model.picture(row), answer)

    def _on_explanation_asked(self, name: str) -> None:
        if not name or self._shown is None:
            self.session.stop_explaining()
            return
        self.session.explain(self._shown.source, name, self.answer.set_explanation, self._on_explanation_failed)

    def _on_explanation_failed(self, error: UserFacingError) -> None:
        self.answer.clear_explanation()
        self._show_error(error)

    # Files -------------------------------------------------------------------------------------------------------

    def open_pictures(self) -> None:
        """Ask for picture files and classify them."""
        patterns = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
        dialog = QFileDialog(
            self, tr("Open pictures"), "", tr("Pictures ({patterns});;All files (*)").format(patterns=patterns)
        )
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        self._ask_files(dialog)

    def open_folder(self) -> None:
        """Ask for a folder and classify the pictures in it."""
        dialog = QFileDialog(self, tr("Open a folder of pictures"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        self._ask_files(dialog)

    def export(self) -> None:
        """Ask for a place and write the table there as CSV."""
        dialog = QFileDialog(self, tr("Export predictions"), "predictions.csv", "CSV (*.csv)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("csv")
        dialog.fileSelected.connect(lambda file: self.export_to(Path(file)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def export_to(self, path: Path) -> None:
        """Write the table to `path`."""
        rows = self.table.model.rows()
        self._bridge.run(
            lambda on_progress, cancel: write_csv(rows, path),
            lambda count: self.notified.emit(
                plural(
                    "{count:,} prediction written to {name}.",
                    "{count:,} predictions written to {name}.",
                    count,
                    name=path.name,
                )
            ),
            self._show_error,
        )

    def _ask_files(self, dialog: QFileDialog) -> None:
        dialog.filesSelected.connect(lambda files: self.take([Path(file) for file in files]))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Errors -----------------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Find out about models, and load the chosen one."""
        super().showEvent(event)
        self.models.refresh()

    def _has_model(self) -> bool:
        if self.pages.currentWidget() is not self.nothing:
            return True
        self._show_error(
            ModelError(
                tr("There is no model to ask yet."),
                tr("No job has finished."),
                tr("Tune or train first, then drop again."),
            )
        )
        return False

    def _on_progress(self, progress: object) -> None:
        if self.progress.isVisible():
            self.progress.update_progress(progress)  # type: ignore[arg-type]

    def _end_progress(self) -> None:
        self._slow.stop()
        self.progress.finish()

    def _on_failed(self, error: UserFacingError) -> None:
        self._end_progress()
        if self.pages.currentWidget() is self.table:
            self.table.finish()
        self._show_error(error)

    def _show_error(self, error: UserFacingError) -> None:
        self.error.show_error(error)


def _folder_among(items: Sequence[Item], intake: Intake) -> Path | None:
    """Return the folder that was dropped, where it was one alone."""
    (folder, *more) = items
    if more or not isinstance(folder, Path) or not intake.pictures:
        return None
    inside = all(isinstance(found.source, Path) and folder in found.source.parents for found in intake.pictures)
    return folder if inside else None
