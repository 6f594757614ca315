from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox

from core.profiler.analysis import analyse_profile
from core.profiler.results import ProfilerAnalysis
from core.profiler.traces import Events, Metric, NodeSamples, Profile
from gui.debugger.step_marks import Mark
from gui.shared.theme import series_colour, tokens

START = 1_795_300_020.0


def _analysis(nodes: int = 1, gpu: bool = False, steps: int = 100, seconds: int = 60) -> ProfilerAnalysis:
    """A minute of samples, and steps of 0.1 s: loading 0.02, forward 0.03, backward 0.05."""
    kinds = [("cpu", "cpu0", "CPUUtilization"), ("memory", "MemoryUsedPercent", "")]
    kinds += [("i/o", f"{way}ThroughputInBytesPerSecond", "") for way in ("Read", "Write")]
    if gpu:
        kinds += [("gpu", "gpu0", "GPUUtilization"), ("gpu", "gpu0", "GPUMemoryUtilization")]
    times = START + np.arange(0, seconds, 0.5)
    samples = tuple(
        NodeSamples(
            f"algo-{number}",
            times,
            tuple(Metric(*kind) for kind in kinds),
            np.full((len(times), len(kinds)), 40.0 + number, np.float32),
        )
        for number in range(1, nodes + 1)
    )
    rows = ("Step:ModeKeys.TRAIN", "DataLoaderIter", "Forward", "Backward(post-forward)")
    begins, lasts = np.array([0.02, 0.0, 0.02, 0.05]), np.array([0.08, 0.02, 0.03, 0.05])
    start = (START + 10 + np.arange(steps)[:, None] * 0.1 + begins).ravel()
    row = np.tile(np.arange(4), steps)
    step = np.repeat(np.arange(steps), 4)
    order = np.argsort(start, kind="stable")
    events = Events(
        rows,
        ("algo-1-0",),
        start[order],
        (start + np.tile(lasts, steps))[order],
        row[order],
        np.zeros(4 * steps, np.int64),
        step[order],
        np.full(4 * steps, -1),
    )
    return analyse_profile(Profile("test", samples, events if steps else Events.empty()))


@pytest.fixture
def timeline(qtbot):
    from gui.debugger.profiler_timeline import ProfilerTimeline

    made = ProfilerTimeline()
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    return made


def test_lanes_are_those_the_machine_has(timeline) -> None:
    assert timeline.lanes == ()
    timeline.set_analysis(_analysis())
    assert timeline.lanes == ("CPU", "Memory", "Disk", "Phases")
    timeline.set_analysis(_analysis(gpu=True, steps=0))
    assert timeline.lanes == ("CPU", "GPU", "Memory", "Disk")
    timeline.set_analysis(None)
    assert timeline.lanes == ()


def test_all_lanes_zoom_together(timeline, qtbot) -> None:
    timeline.set_analysis(_analysis())
    assert timeline.view == pytest.approx((0, 59.5), abs=0.1)
    timeline.setFocus()
    qtbot.keyClick(timeline, Qt.Key.Key_Plus)
    low, high = timeline.view
    assert high - low == pytest.approx(29.75, abs=0.1)
    ranges = [plot.viewRange()[0] for _, plot in timeline._plots]
    assert all(view == pytest.approx((low, high), abs=0.5) for view in ranges)
    qtbot.keyClick(timeline, Qt.Key.Key_Right)
    assert timeline.view[0] > low
    qtbot.keyClick(timeline, Qt.Key.Key_Minus)
    qtbot.keyClick(timeline, Qt.Key.Key_Home)
    assert timeline.view == pytest.approx((0, 59.5), abs=0.1)


def test_reading_a_moment(timeline) -> None:
    timeline.set_analysis(_analysis())
    assert "Forward" in timeline.read_at(10.03)
    assert "Data loading" in timeline.read_at(10.11)
    assert "Backward" in timeline.read_at(10.08)
    words = timeline.read_at(30.0)
    assert "CPU 41%" in words
    assert "Backward" not in words, "the training ended at 20 s"
    timeline.set_analysis(_analysis(nodes=3))
    assert "CPU mean 42%" in timeline.read_at(30.0)


def test_the_mouse_reads_out_what_it_is_over(timeline) -> None:
    timeline.set_analysis(_analysis())
    box = timeline._plots[0][1].getViewBox()
    timeline._on_mouse_moved(box.mapViewToScene(QPointF(10.03, 50)))
    assert "Forward" in timeline._reading.text()
    assert all(line.isVisible() for line in timeline._lines)
    timeline._on_mouse_moved(box.mapViewToScene(QPointF(-500, 50)))
    assert timeline._reading.text() == ""
    assert not any(line.isVisible() for line in timeline._lines)


def test_steps_saved_tensors_and_findings_stand_on_the_same_axis(timeline, qtbot) -> None:
    timeline.set_analysis(_analysis())
    timeline.set_marks([Mark("Overfit", 40)], [0, 10, 20, 99])
    assert timeline.lanes[-1] == "Saved steps and findings"
    assert timeline.read_at(14.05).split("  ·  ")[1] == "step 40"
    assert "Overfit since step 40" in timeline.read_at(14.02)
    assert "Overfit" not in timeline.read_at(30.0)
    axis = timeline._plots[0][1].getAxis("top")
    ((_, times),) = axis.tickValues(10.0, 20.0, 600)
    assert axis.tickStrings(times, 1.0, 1.0) == ["step 0", "20", "40", "60", "80"]
    assert times[2] == pytest.approx(14.02, abs=0.01)
    for low, high, numbers in ((5.0, 25.0, ["step 0", "50"]), (0.0, 300.0, ["step 0"])):  # in a part of the axis
        ((_, few),) = axis.tickValues(low, high, 600)
        assert axis.tickStrings(few, 1.0, 1.0) == numbers
    box = timeline._plots[-1][1].getViewBox()
    with qtbot.waitSignal(timeline.finding_chosen) as chosen:
        at = timeline._canvas.mapFromScene(box.mapViewToScene(QPointF(14.02, 0.8)))
        qtbot.mouseClick(timeline._canvas.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert chosen.args == ["Overfit"]
    timeline.set_analysis(_analysis(steps=0))
    assert "Saved steps and findings" not in timeline.lanes, "no step has a time"


def test_one_of_several_nodes_can_be_chosen(timeline) -> None:
    timeline.set_analysis(_analysis())
    nodes = timeline.findChild(QComboBox)
    assert not nodes.isVisible(), "one node needs no choice"
    timeline.set_analysis(_analysis(nodes=3))
    assert nodes.isVisible()
    nodes.setCurrentText("algo-3")
    assert "CPU 43%" in timeline.read_at(30.0)


def test_phases_are_painted_in_their_colours(timeline, qapp) -> None:
    timeline.set_analysis(_analysis())
    timeline._plots[-1][1].setXRange(10.0, 10.2, padding=0)
    qapp.processEvents()
    picture = timeline.grab().toImage()
    plot = timeline._plots[-1][1].getViewBox()
    for time, colour in ((10.01, 0), (10.035, 1), (10.075, 2)):
        scene = plot.mapViewToScene(QPointF(time, 0.5))
        at = timeline._canvas.mapTo(timeline, timeline._canvas.mapFromScene(scene))
        assert picture.pixelColor(at) == series_colour(colour), time


def test_many_steps_are_painted_as_shares(timeline, qapp) -> None:
    timeline.set_analysis(_analysis(steps=3000, seconds=400))
    qapp.processEvents()
    picture = timeline.grab().toImage()
    plot = timeline._plots[-1][1].getViewBox()
    for height, colour in ((0.1, 0), (0.35, 1), (0.75, 2)):
        scene = plot.mapViewToScene(QPointF(150.0, height))
        at = timeline._canvas.mapTo(timeline, timeline._canvas.mapFromScene(scene))
        assert picture.pixelColor(at) == series_colour(colour), height


def test_it_follows_the_theme(timeline, theme, qapp) -> None:
    timeline.set_analysis(_analysis())
    theme.choose("dark")
    qapp.processEvents()
    assert timeline._canvas.backgroundBrush().color() == QColor(tokens().card)
    assert tokens().scheme == "dark"
    assert timeline.lanes == ("CPU", "Memory", "Disk", "Phases")


def test_shares_are_said_in_words(timeline) -> None:
    timeline.set_analysis(_analysis())
    name = timeline._shares.accessibleName()
    assert "Data loading 20%" in name
    assert "Backward 50%" in name


@pytest.mark.parametrize(
    ("value", "spacing", "text"),
    [
        (0.25, 0.05, "0.25 s"),
        (12, 2, "12 s"),
        (60, 30, "1 min"),
        (90, 30, "1 min 30 s"),
        (3600, 600, "1 h"),
        (4200, 600, "1 h 10 min"),
        (7200, 3600, "2 h"),
    ],
)
def test_ticks_of_time(value: float, spacing: float, text: str) -> None:
    from gui.debugger.profiler_items import TimeAxis

    assert TimeAxis.tickStrings(None, [value], 1.0, spacing) == [text]
