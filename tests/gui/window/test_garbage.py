"""Garbage is collected in the window's thread, in small pieces, and not at all by others."""

from __future__ import annotations

import gc
import sys
import threading
import types
import weakref

import pytest

from gui.window.garbage import Garbage


class Node:
    """Something that only a collection can end."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def garbage(qapp):
    """Collecting, without its timer: the test says when."""
    made = Garbage()
    made.start()
    made._timer.stop()
    made.collect_due()  # what the tests before have loaded
    yield made
    made.stop()
    gc.disable()  # as the tests of the window have it


def test_another_thread_ends_nothing(garbage):
    ended_by: list[str] = []

    def leave() -> None:
        weakref.finalize(Node(), lambda: ended_by.append(threading.current_thread().name))
        kept = [Node() for _ in range(5_000)]  # Python would have collected several times
        kept.clear()

    thread = threading.Thread(target=leave, name="worker")
    thread.start()
    thread.join()
    assert not gc.isenabled()
    assert ended_by == []
    garbage.collect_due()
    assert ended_by == ["MainThread"]


def test_what_was_loaded_is_not_looked_through_again(garbage, monkeypatch):
    before = gc.get_freeze_count()
    monkeypatch.setitem(sys.modules, "loaded_just_now", types.ModuleType("loaded_just_now"))
    kept = [Node() for _ in range(100)]
    garbage.collect_due()
    assert gc.get_freeze_count() >= before + len(kept)
    assert not any(found is kept[0] for found in gc.get_objects())


def test_the_old_are_looked_through_in_their_turn(garbage):
    old = Node()
    gc.collect(1)  # old enough for the last generation
    ended: list[bool] = []
    weakref.finalize(old, ended.append, True)
    del old
    for _ in range(2_000):
        Node()
        garbage.collect_due()
        kept = [Node() for _ in range(2_500)]
        kept.clear()
        if ended:
            break
    assert ended == [True]


def test_python_collects_again_afterwards(qapp):
    garbage = Garbage()
    garbage.start()
    garbage.stop()
    assert gc.isenabled()
    gc.disable()
