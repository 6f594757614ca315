"""What a plot shows, saved: as a picture, or its numbers as CSV. Importing this module imports pyqtgraph."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QIODevice, QPoint, Qt
from PySide6.QtGui import QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QMenu

from core.errors import UserFacingError
from core.translation import tr
from gui.shared.dialogs import error_dialog
from training_scripts.durable import write_bytes

Numbers = Callable[[], Iterable[Sequence[object]]]
"""Gives rows of a table, its header first."""
_DRAWN = (pg.PlotDataItem, pg.PlotCurveItem, pg.ScatterPlotItem)


def offer_export(view: pg.GraphicsView, numbers: Numbers) -> None:
    """Give a plot a context menu, of the mouse and the menu key, that saves what it shows; `numbers` as CSV."""

    def save(pattern: str, write: Callable[[Path], None]) -> None:
        path, _ = QFileDialog.getSaveFileName(view, tr("Save what the plot shows"), str(Path.home()), pattern)
        if path:
            try:
                write(Path(path))
            except UserFacingError as error:
                error_dialog(view, error).open()

    def show_menu(position: QPoint) -> None:
        menu = QMenu(view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        picture = tr("PNG picture (*.png);;SVG drawing (*.svg)")
        menu.addAction(tr("Save picture…"), lambda: save(picture, lambda path: save_picture(view, path)))
        menu.addAction(tr("Save numbers…"), lambda: save("CSV (*.csv)", lambda path: save_numbers(numbers(), path)))
        menu.popup(view.mapToGlobal(position))

    view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    view.customContextMenuRequested.connect(show_menu)


def save_picture(view: pg.GraphicsView, path: Path) -> None:
    """Write a plot as it is in sight: as SVG where the name ends so, else as PNG.

    Raises:
        UserFacingError: the file cannot be written.
    """
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if path.suffix.lower() == ".svg":
        drawing = QSvgGenerator()
        drawing.setOutputDevice(buffer)
        drawing.setSize(view.size())
        drawing.setViewBox(view.rect())
        painter = QPainter(drawing)
        painter.fillRect(view.rect(), view.backgroundBrush())
        view.render(painter)
        painter.end()
    else:
        view.grab().save(buffer, "PNG")
        path = path if path.suffix else path.with_suffix(".png")
    _write(path, bytes(buffer.data().data()))


def save_numbers(rows: Iterable[Sequence[object]], path: Path) -> None:
    """Write rows as CSV.

    Raises:
        UserFacingError: the file cannot be written.
    """
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    _write(path if path.suffix else path.with_suffix(".csv"), text.getvalue().encode())


def curves_of(plots: Iterable[tuple[str, pg.PlotItem]], x: str = "x") -> Iterator[Sequence[object]]:
    """Return the points of all that is drawn in named plots, as rows; `x` is what their horizontal axis has."""
    yield ("plot", "curve", x, "value")
    for title, plot in plots:
        drawn = [
            item for item in plot.items if isinstance(item, (pg.PlotDataItem, pg.PlotCurveItem, pg.ScatterPlotItem))
        ]
        for number, item in enumerate(drawn, start=1):
            points = item.getOriginalDataset() if isinstance(item, pg.PlotDataItem) else item.getData()
            if points[0] is not None and points[1] is not None:
                name = item.name() or tr("curve {number}").format(number=number)
                yield from ((title, name, float(at), float(value)) for at, value in zip(*points, strict=True))


def _write(path: Path, content: bytes) -> None:
    try:
        write_bytes(path, content)
    except OSError as error:
        raise UserFacingError(
            tr("The file could not be saved."),
            f"{error.strerror} ({path}).",
            tr("Choose another place."),
        ) from error
