"""Where the backbone's weights come from: the published ones (fetched if need be), a file of one's own, or none."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label
from gui.shared.feedback import InlineError, ProgressRow
from gui.shared.field import Field
from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE

DEFAULT, UNTRAINED, OWN = "default", "none", "own"


class WeightsPanel(QWidget):
    """Chooses `weights` for a backbone and can fetch them beforehand, with progress and cancel.

    Signals:
        changed(): `value` or `missing_megabytes` is another.
    """

    changed = Signal()

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._backbone, self._file = DEFAULT_BACKBONE, ""
        self._found: bool | None = None
        self._work: Handle | None = None
        self.choice = QComboBox()
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.choice.setMinimumContentsLength(12)
        for text, value in (
            ("ImageNet", DEFAULT),
            (tr("My own file…"), OWN),
            (tr("Untrained (random)"), UNTRAINED),
        ):
            self.choice.addItem(text, value)
        self.choice.activated.connect(self._on_chosen)
        self.status = label("", "caption", wrap=True)
        self.fetch = button(tr("Fetch now"), icon_name="download")
        self.fetch.clicked.connect(self.start_fetch)
        self.progress, self.error = ProgressRow(), InlineError()
        self.progress.cancelled.connect(self._on_cancel)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        field = Field(tr("Weights"), self.choice, tr("What the network knows before training."))
        for widget in (field, self.status, self.fetch, self.progress, self.error):
            box.addWidget(widget)
        self._show()

    # Content ---------------------------------------------------------------------------------------------------

    @property
    def value(self) -> str:
        """Return the hyperparameter `weights`: "default", "none", or a file's path."""
        chosen = self.choice.currentData()
        return self._file if chosen == OWN and self._file else DEFAULT if chosen == OWN else str(chosen)

    @property
    def missing_megabytes(self) -> float:
        """Return how much must be fetched before training can start; 0 when nothing must."""
        missing = self.value == DEFAULT and self._found is False
        return BACKBONES[self._backbone].megabytes if missing else 0.0

    def show_weights(self, backbone: str, value: str) -> None:
        """Show the choice for a backbone."""
        kind = value if value in (DEFAULT, UNTRAINED) else OWN
        self._file = value if kind == OWN else ""
        self.choice.setCurrentIndex(self.choice.findData(kind))
        self.set_backbone(backbone)

    def set_backbone(self, backbone: str) -> None:
        """Take another backbone: a file of one's own does not fit it."""
        if backbone != self._backbone:
            self._cancel()
            self.error.clear()
            if self._file:
                self._file = ""
                self.choice.setCurrentIndex(self.choice.findData(DEFAULT))
            self._backbone, self._found = backbone, None
        self._look()

    def _look(self) -> None:
        from core.fetch_weights import locate

        backbone, paths = self._backbone, self._workbench.paths

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[str, bool]:
            return backbone, locate(backbone, paths) is not None

        self._bridge.run(work, self._on_looked, self.error.show_error)
        self._show()

    def _on_looked(self, looked: tuple[str, bool]) -> None:
        backbone, found = looked
        if backbone == self._backbone and found != self._found:
            self._found = found
            self._show()
            self.changed.emit()

    def _show(self) -> None:
        spec = BACKBONES[self._backbone]
        busy = self._work is not None
        missing = self.missing_megabytes
        if self.value == UNTRAINED:
            text = tr("Random weights: everything is learned from your pictures. Needs many of them.")
        elif self.value != DEFAULT:
            text = tr("From {name}").format(name=Path(self.value).name)
        elif spec.bundled:
            text = tr("Bundled: works without a network.")
        elif missing:
            text = tr("Not on this computer yet: {missing:.0f} MB. They are fetched before training starts.").format(
                missing=missing
            )
        else:
            text = tr("On this computer.") if self._found else ""
        self.status.setText(text)
        self.status.setVisible(bool(text))
        self.fetch.setText(tr("Fetch {missing:.0f} MB now").format(missing=missing))
        self.fetch.setVisible(bool(missing) and not busy)
        self.choice.setEnabled(not busy)

    # What the user does ----------------------------------------------------------------------------------------

    def _on_chosen(self) -> None:
        self.error.clear()
        if self.choice.currentData() == OWN:
            path, _ = QFileDialog.getOpenFileName(
                self, tr("Weights file"), str(Path.home()), tr("Weights (*.pth *.pt);;All files (*)")
            )
            if path:
                self.take_file(Path(path))
            elif not self._file:
                self.choice.setCurrentIndex(self.choice.findData(DEFAULT))
        self._show()
        self.changed.emit()

    def take_file(self, path: Path) -> None:
        """Check a weights file of the user's own and use it."""
        from core.fetch_weights import import_file

        backbone, paths = self._backbone, self._workbench.paths

        def work(on_progress: OnProgress, cancel: CancelToken) -> Path:
            return import_file(backbone, path, paths)

        self.progress.start(tr("Checking {name}").format(name=path.name))
        self._work = self._bridge.run(work, self._on_file, self._on_error)
        self._show()

    def _on_file(self, path: Path) -> None:
        self._finish()
        self._file = str(path)
        self.choice.setCurrentIndex(self.choice.findData(OWN))
        self._show()
        self.changed.emit()

    def start_fetch(self) -> None:
        """Fetch the published weights now."""
        from core.fetch_weights import ensure

        backbone, paths = self._backbone, self._workbench.paths

        def work(on_progress: OnProgress, cancel: CancelToken) -> Path:
            return ensure(backbone, paths, on_progress, cancel)

        self.error.clear()
        self.progress.start(tr("Fetching the weights of {title}").format(title=BACKBONES[backbone].title))
        self._work = self._bridge.run(work, self._on_fetched, self._on_error, self.progress.update_progress)
        self._show()

    def _on_fetched(self, path: Path) -> None:
        self._finish()
        self._look()

    def _on_error(self, error: UserFacingError) -> None:
        self._finish()
        self.error.show_error(error)
        if not self._file and self.choice.currentData() == OWN:
            self.choice.setCurrentIndex(self.choice.findData(DEFAULT))
        self._show()
        self.changed.emit()

    def _on_cancel(self) -> None:
        self._cancel()
        if not self._file and self.choice.currentData() == OWN:
            self.choice.setCurrentIndex(self.choice.findData(DEFAULT))
        self._show()
        self.changed.emit()

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()
        self._finish()

    def _finish(self) -> None:
        self._work = None
        self.progress.finish()
