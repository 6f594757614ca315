"""What was dropped on the window: a dataset for the Data tab, or pictures for the Predict tab."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QMimeData, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from core.formats.opened_source import may_be_dataset
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge
from gui.shared.dialogs import Decision, Option
from gui.shared.icons import paint_icon
from gui.shared.theme import font, tokens

_LOOKED_AT = 200
_NAMED = 3
"""Folders that a question names; more would not fit above it."""


class DropKind(Enum):
    """What a drop is for."""

    DATASET = "dataset"
    PICTURES = "pictures"


def datasets_in(mime: QMimeData) -> list[Path]:
    """Return the folders, archives and files of labels that were dropped; none where anything else is among them."""
    paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
    fit = all(path.is_dir() or (may_be_dataset(path) and path.is_file()) for path in paths)
    return paths if fit and len(paths) == len(mime.urls()) else []


def kind_of_folder(folder: Path) -> DropKind:
    """Whether a folder has folders of pictures inside, as datasets have, or only pictures.

    It looks at the first names of two levels only, so it is quick on any folder. Touches the disk.
    """
    from training_scripts.pictures.formats import SUFFIXES  # here, because the window is painted before Pillow comes

    suffixes = tuple(SUFFIXES)

    def names(path: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(path) as entries:
                return [entry for entry, _ in zip(entries, range(_LOOKED_AT), strict=False)]
        except OSError:
            return []

    inside = names(str(folder))
    folders = [entry for entry in inside if entry.is_dir() and not entry.name.startswith(".")]
    for entry in folders:
        for deeper in names(entry.path):
            if deeper.is_dir() or deeper.name.lower().endswith(suffixes):
                return DropKind.DATASET
    has_pictures = any(entry.name.lower().endswith(suffixes) for entry in inside)
    return DropKind.PICTURES if has_pictures or not folders else DropKind.DATASET


class DropVeil(QWidget):
    """Covers the window while something is dragged across it and says what the drop would do."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._window = window
        self._text, self._icon = "", "picture"
        self.hide()

    @property
    def text(self) -> str:
        """Return what it says."""
        return self._text

    def cover(self, text: str, icon_name: str) -> None:
        """Cover the whole window."""
        self._text, self._icon = text, icon_name
        self.setAccessibleName(text)
        self.setGeometry(self._window.rect())
        self.raise_()
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a tint, a dashed border, an icon and the words."""
        colours = tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(colours.page)
        ground.setAlpha(225)
        painter.fillRect(self.rect(), ground)
        inner = QRectF(self.rect()).adjusted(24, 24, -24, -24)
        tint = QColor(colours.accent_tint)
        painter.setBrush(tint)
        painter.setPen(QPen(QColor(colours.accent), 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(inner, 12, 12)
        middle = inner.center()
        paint_icon(painter, QRectF(middle.x() - 28, middle.y() - 56, 56, 56), self._icon, QColor(colours.accent))
        painter.setFont(font("title"))
        painter.setPen(QColor(colours.text))
        painter.drawText(
            QRectF(inner.left(), middle.y() + 12, inner.width(), 40), Qt.AlignmentFlag.AlignCenter, self._text
        )


class WindowDrops(QObject):
    """Takes every drop on the window that no page takes itself.

    Args:
        shown: tells the key of the tab that is shown.
        open_datasets: opens folders as one dataset in the Data tab.
        classify: gives items to the Predict tab.
    """

    def __init__(
        self,
        window: QWidget,
        bridge: Bridge,
        shown: Callable[[], str],
        open_datasets: Callable[[Sequence[Path]], None],
        classify: Callable[[list[Any]], None],
    ) -> None:
        super().__init__(window)
        self._window, self._bridge = window, bridge
        self._shown, self._open_datasets, self._classify = shown, open_datasets, classify
        self.veil = DropVeil(window)
        self.question: Decision | None = None
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Handle what is dragged over the window."""
        match event.type():
            case QEvent.Type.DragEnter:
                assert isinstance(event, QDragEnterEvent)
                return self._on_enter(event)
            case QEvent.Type.DragMove:
                assert isinstance(event, QDropEvent)
                event.acceptProposedAction()
                return True
            case QEvent.Type.DragLeave:
                self.veil.hide()
            case QEvent.Type.Drop:
                assert isinstance(event, QDropEvent)
                return self._on_drop(event)
            case QEvent.Type.Resize:
                self.veil.setGeometry(self._window.rect())
        return False

    def _on_enter(self, event: QDragEnterEvent) -> bool:
        from gui.shared.picture_mime import has_pictures

        if dropped := datasets_in(event.mimeData()):
            words = tr("Drop the folder to open it") if dropped[0].is_dir() else tr("Drop the file to open it")
            self.veil.cover(words if len(dropped) == 1 else tr("Drop them to open them as one dataset"), "folder-open")
        elif has_pictures(event.mimeData()):
            self.veil.cover(tr("Drop to classify"), "predict")
        else:
            return False
        event.acceptProposedAction()
        return True

    def _on_drop(self, event: QDropEvent) -> bool:
        from gui.shared.picture_mime import picture_items

        self.veil.hide()
        event.acceptProposedAction()
        dropped = datasets_in(event.mimeData())
        if not dropped:
            self._classify(picture_items(event.mimeData()))
        elif all(path.is_dir() for path in dropped):
            self.take_folders(dropped)
        else:
            self._open_datasets(dropped)
        return True

    def take_folders(self, folders: Sequence[Path]) -> None:
        """Open a dataset, classify folders of pictures, or ask which of both is meant."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> DropKind:
            kinds = {kind_of_folder(folder) for folder in folders}
            return DropKind.PICTURES if kinds == {DropKind.PICTURES} else DropKind.DATASET

        self._bridge.run(work, partial(self._on_known, folders))

    def _on_known(self, folders: Sequence[Path], kind: DropKind) -> None:
        shown = self._shown()
        if kind is DropKind.PICTURES and shown == "predict":
            self._classify([*folders])
        elif shown == "predict" or (kind is DropKind.PICTURES and shown != "data"):
            is_dataset = kind is DropKind.DATASET
            names = ", ".join(folder.name for folder in folders[:_NAMED])
            if len(folders) > _NAMED:
                names = tr("{names}, …").format(names=names)
            self.question = Decision(
                self._window,
                tr("What should be done with {name}?").format(name=names),
                [
                    tr("There are folders of pictures inside, as datasets have.")
                    if is_dataset
                    else tr("There are pictures, but no folders that say what they show.")
                ],
                [
                    Option("cancel", tr("Cancel")),
                    Option("classify", tr("Classify the pictures")),
                    Option("open", tr("Open as dataset") if is_dataset else tr("Label the pictures"), "primary"),
                ],
                "folder-open",
            ).ask(lambda answer: self._on_answer(folders, answer))
        else:
            # On the Data tab any folder is meant as a dataset; if it is none, the scan says why.
            self._open_datasets(folders)

    def _on_answer(self, folders: Sequence[Path], answer: str) -> None:
        self.question = None
        if answer == "open":
            self._open_datasets(folders)
        elif answer == "classify":
            self._classify([*folders])
