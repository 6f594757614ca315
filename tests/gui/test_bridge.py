import gc
import re
import threading
import time

import pytest
import shiboken6
from PySide6.QtCore import QObject

from core.errors import UserFacingError
from core.paths import ROOT
from core.progress import Progress
from gui.bridge import Bridge


def test_work_runs_elsewhere_and_is_delivered_here(bridge, qtbot):
    seen = {}

    def work(on_progress, cancel):
        seen["work"] = threading.current_thread()
        return 42

    def done(value):
        seen["done"] = (value, threading.current_thread())

    bridge.run(work, done)
    qtbot.waitUntil(lambda: "done" in seen)
    assert seen["work"] is not threading.main_thread()
    assert seen["done"] == (42, threading.main_thread())


def test_nothing_is_delivered_after_cancel(bridge, qtbot):
    started, calls = threading.Event(), []

    def work(on_progress, cancel):
        started.set()
        cancel.wait(10)
        on_progress(Progress(1, 1, "late"))
        return "too late"

    handle = bridge.run(work, calls.append, calls.append, calls.append)
    assert started.wait(60)
    handle.cancel()
    qtbot.waitUntil(lambda: bridge.idle)
    assert calls == []
    assert handle.cancelled
    assert not handle.active


def test_a_result_that_is_already_on_its_way_is_dropped_by_cancel(bridge, qtbot):
    calls = []
    handle = bridge.run(lambda on_progress, cancel: 1, calls.append)
    deadline = time.monotonic() + 60
    while bridge._arrived.empty():  # the delivery waits for the event loop from then on
        assert time.monotonic() < deadline
    handle.cancel()
    qtbot.waitUntil(lambda: bridge.idle)
    assert calls == []


def test_cancelled_work_that_says_so_is_silent(bridge, qtbot):
    errors = []

    def work(on_progress, cancel):
        cancel.cancel()
        cancel.raise_if_cancelled()

    bridge.failed.connect(errors.append)
    bridge.run(work, errors.append, errors.append)
    qtbot.waitUntil(lambda: bridge.idle)
    assert errors == []


def test_errors_for_people_go_to_on_error_or_to_the_funnel(bridge, qtbot):
    def work(on_progress, cancel):
        raise UserFacingError("No.")

    own, funnel = [], []
    bridge.failed.connect(funnel.append)
    bridge.run(work, on_error=own.append)
    qtbot.waitUntil(lambda: len(own) == 1)
    assert funnel == []
    bridge.run(work)
    qtbot.waitUntil(lambda: len(funnel) == 1)
    assert funnel[0].what == "No."


def test_what_the_system_refuses_is_no_defect(bridge, qtbot):
    heard = []

    def work(on_progress, cancel):
        raise PermissionError(13, "Permission denied", "/there")

    bridge.run(work, None, heard.append)
    qtbot.waitUntil(lambda: len(heard) == 1)
    assert str(heard[0]).startswith("The system refused what was needed. Permission denied (/there).")


def test_a_defect_reaches_the_excepthook_and_frees_the_control(bridge, qtbot):
    own = []

    def work(on_progress, cancel):
        raise ZeroDivisionError("by nought")

    with qtbot.captureExceptions() as caught:
        bridge.run(work, on_error=own.append)
        qtbot.waitUntil(lambda: bool(caught))
    assert caught[0][0] is ZeroDivisionError
    assert "defect" in own[0].what
    assert "by nought" in own[0].why


def test_progress_is_thinned_but_its_last_word_arrives_first(bridge, qtbot):
    heard, done = [], []

    def work(on_progress, cancel):
        for number in range(5000):
            on_progress(Progress(number, 5000, "counting"))
        return "end"

    bridge.run(work, lambda value: done.append((value, len(heard))), on_progress=heard.append)
    qtbot.waitUntil(lambda: bool(done))
    assert heard[-1].done == 4999
    assert len(heard) < 500
    assert done == [("end", len(heard))]


def test_a_deleted_receiver_hears_nothing(bridge, qtbot):
    class Receiver(QObject):
        def __init__(self):
            super().__init__()
            self.heard = []

        def take(self, value):
            self.heard.append(value)

    receiver = Receiver()
    gate = threading.Event()
    bridge.run(lambda on_progress, cancel: gate.wait(60), receiver.take)
    receiver.deleteLater()
    qtbot.waitUntil(lambda: not shiboken6.isValid(receiver))
    gate.set()
    qtbot.waitUntil(lambda: bridge.idle)
    assert receiver.heard == []


def test_close_cancels_joins_and_takes_no_more(qapp, qtbot):
    bridge, calls = Bridge(threads=1), []
    started = threading.Event()

    def work(on_progress, cancel):
        started.set()
        assert cancel.wait(10)

    bridge.run(work, calls.append)
    waiting = bridge.run(lambda on_progress, cancel: calls.append("ran"), calls.append)
    assert started.wait(60)
    assert bridge.close(60)
    assert waiting.cancelled
    assert not bridge.run(lambda on_progress, cancel: calls.append("after"), calls.append).active
    qapp.processEvents()
    assert calls == []


def test_close_says_when_work_does_not_end(qapp):
    bridge, gate, started = Bridge(threads=1), threading.Event(), threading.Event()

    def work(on_progress, cancel):
        started.set()
        gate.wait(10)

    bridge.run(work)
    assert started.wait(60)
    assert not bridge.close(0.05)
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("bridge"):
            thread.join(5)


@pytest.mark.parametrize("threads", [1, 6])
def test_many_results_all_arrive(qapp, qtbot, threads):
    bridge, results = Bridge(threads), []
    for number in range(300):
        bridge.run(lambda on_progress, cancel, number=number: number, results.append)
    qtbot.waitUntil(lambda: len(results) == 300)
    assert sorted(results) == list(range(300))
    assert bridge.close(60)


class _Witness:
    """Stands for a widget: says in which thread its last reference was dropped."""

    def __init__(self, ended: list[int]) -> None:
        self._ended = ended

    def __del__(self) -> None:
        self._ended.append(threading.get_ident())


@pytest.mark.parametrize("ending", ["result", "nothing", "error", "cancelled"])
def test_what_work_holds_is_dropped_in_the_ui_thread(bridge, qtbot, ending):
    ended: list[int] = []

    def start() -> None:
        held = _Witness(ended)

        def work(on_progress, cancel):
            if ending == "error":
                raise UserFacingError("It failed.", f"{held is None}", "Try again.")
            return held if ending == "result" else None

        handle = bridge.run(work, lambda value: None, lambda error: None)
        if ending == "cancelled":
            handle.cancel()

    for _ in range(50):
        start()
    qtbot.waitUntil(lambda: gc.collect() >= 0 and len(ended) == 50, timeout=20000)
    assert set(ended) == {threading.get_ident()}


def test_nothing_else_of_the_window_starts_a_thread():
    """A worker that drops the last reference to a widget ends it in its own thread, and Qt crashes some time later."""
    started = re.compile(
        r"\b(Thread|Timer|ThreadPoolExecutor|QThread|QThreadPool|QRunnable)\(|add_done_callback|invokeMethod"
    )
    files = [file for file in (ROOT / "gui").rglob("*.py") if started.search(file.read_text(encoding="utf-8"))]
    assert [file.name for file in files] == ["bridge.py"]
