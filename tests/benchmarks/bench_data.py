"""The Data tab with many pictures: scrolling 100,000 thumbnails, arranging them, and a map of 50,000 points.

A frame is what the UI thread does between two scroll steps: the paint and whatever thumbnails arrived meanwhile. The
thumbnails are those of 500 real files that 100,000 rows share, so that decoding goes on in the threads; each row has a
content of its own, so that none comes from the cache of another. Painted offscreen, by the processor. Each frame is
given by the clock and by the UI thread's own computing, which a busy machine does not change.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.dataset.gallery import Gallery
from core.dataset.query import Query
from core.dataset.records import Picture
from tests.benchmarks.harness import percentile, print_table

PICTURES, FILES, POINTS, CLASSES = 100_000, 500, 50_000, 120
STEPS, RUNS, FRAME_MS = 200, 5, 1000 / 60
FRAMES = ("median", "p99", "max", "within 1/60 s", "computing: median", "p99", "max", "within 1/60 s")
Numbers = NDArray[Any]


def main() -> None:
    """Print the tables."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    from gui.shared.theme import Theme

    app = QApplication.instance() or QApplication(["sagehound"])
    Theme(app, "light")
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        pictures = _draw(Path(place))
        _arranging(pictures)
        _scrolling(app, pictures, Path(place))
        _map(app, pictures[:POINTS], Path(place))


def _draw(place: Path) -> list[Picture]:
    random = np.random.default_rng(0)
    for number in range(FILES):
        pixels = random.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((320, 240)).save(place / f"{number}.jpg")
    one = Picture("", "", None, 20_000, 320, 240, "JPEG", "", 0)
    return [
        replace(one, path=f"{n % FILES}.jpg" if n < FILES else f"./{n // FILES}/../{n % FILES}.jpg", sha256=f"{n:064x}",
                label=f"class {n % CLASSES}", mtime_ns=n * 10**12)
        for n in range(PICTURES)
    ]  # fmt: skip


def _arranging(pictures: list[Picture]) -> None:
    gallery = Gallery()
    gallery.add(pictures)
    gallery.set_suggestions({picture.path: (picture.label, 0.5) for picture in pictures})
    queries = {
        "by class": Query(),
        "one class": Query(label="class 3"),
        "text in the path": Query(text="17.jpg"),
        "by name": Query(order="name"),
        "by time": Query(order="time"),
        "by suggestion": Query(order="suggestion"),
    }
    rows = []
    for name, query in queries.items():
        gallery.arrange(query)
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            gallery.arrange(query)
            times.append(1000 * (time.perf_counter() - began))
        rows.append((name, f"{sorted(times)[RUNS // 2]:.0f} ms ({min(times):.0f} to {max(times):.0f})"))
    print(f"Filters, order and counts of {PICTURES:,} pictures in {CLASSES} classes, {RUNS} runs:\n")
    print_table(("what is asked for", "time"), rows)


def _scrolling(app: Any, pictures: list[Picture], place: Path) -> None:
    from gui.bridge import Bridge
    from gui.data.picture_grid import PictureGrid
    from gui.data.pictures_model import PicturesModel
    from gui.shared.thumbnail_pixmaps import Thumbnails

    bridge, model = Bridge(), PicturesModel()
    thumbnails = Thumbnails(bridge, place / "thumbnails", 160)
    thumbnails.set_root(place)
    grid = PictureGrid(model, thumbnails)
    grid.resize(900, 700)
    grid.show()
    model.set_pictures(pictures)
    rows = []
    for name, far in (
        ("line by line", 40),
        ("a page at a time", 600),
        ("thrown across all", grid.verticalScrollBar().maximum() // STEPS),
    ):
        bar, frames = grid.verticalScrollBar(), list[Numbers]()
        bar.setValue(0)
        for _ in range(STEPS):
            began = _now()
            bar.setValue(bar.value() + far)
            app.processEvents()
            frames.append(_now() - began)
            time.sleep(0.004)  # the threads that decode need the interpreter too
        rows.append((name, *_frames(frames)))
    grid.close()
    bridge.close(10)
    print(f"Frames while {PICTURES:,} thumbnails scroll, {STEPS} steps each, thumbnails arriving:\n")
    print_table(("how", *FRAMES), rows)


def _map(app: Any, pictures: list[Picture], place: Path) -> None:
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QPolygonF

    from gui.bridge import Bridge
    from gui.data.map_view import MapView
    from gui.data.pictures_model import PicturesModel
    from gui.shared.thumbnail_pixmaps import Thumbnails

    bridge, model = Bridge(), PicturesModel()
    view = MapView(model, Thumbnails(bridge, place / "thumbnails"))
    view.resize(800, 600)
    view.show()
    model.set_pictures(pictures)
    random = np.random.default_rng(0)
    places = np.clip(random.normal(0.5, 0.15, (POINTS, 2)), 0, 1).astype(np.float32)
    view.set_places(places)
    app.processEvents()
    frames: list[Numbers] = []
    for step in range(STEPS):
        began = _now()
        view._zoom(1.02 if step < STEPS // 2 else 1 / 1.02, QPointF(300, 200))
        view.repaint()
        frames.append(_now() - began)
    circle = [QPointF(400 + 150 * np.cos(a), 300 + 150 * np.sin(a)) for a in np.linspace(0, 6.28, 300)]
    began = time.perf_counter()
    found = view.enclosed(QPolygonF(circle))
    lasso = 1000 * (time.perf_counter() - began)
    view.close()
    bridge.close(10)
    print(f"Frames while a map of {POINTS:,} points zooms in and out:\n")
    print_table(FRAMES, [_frames(frames)])
    print(f"A lasso of 300 corners finds {len(found):,} of {POINTS:,} points in {lasso:.1f} ms.\n")


def _now() -> Numbers:
    """Return the milliseconds of the clock, and of the thread's computing."""
    return 1000 * np.array([time.perf_counter(), time.thread_time()])


def _frames(frames: list[Numbers]) -> tuple[str, ...]:
    cells: list[str] = []
    for of in np.array(frames).T.tolist():
        within = sum(frame <= FRAME_MS for frame in of) / len(of)
        figures = (percentile(of, 0.5), percentile(of, 0.99), max(of))
        cells += [*(f"{figure:.1f} ms" for figure in figures), f"{within:.0%}"]
    return tuple(cells)


if __name__ == "__main__":
    main()
