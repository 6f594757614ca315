"""Calls take turns: the next may send while the one before receives, and answers stay in the order of requests."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from core.errors import Cancelled
from core.predict.turns import Turns
from core.progress import CancelToken


def _thread(work: Callable[[], None]) -> threading.Thread:
    made = threading.Thread(target=work, daemon=True)
    made.start()
    return made


def test_a_call_sends_while_the_one_before_receives_and_receives_after_it() -> None:
    turns, order = Turns(), list[str]()
    second_has_sent = threading.Event()

    def send(name: str) -> str:
        order.append(f"{name} sends")
        if name == "second":
            second_has_sent.set()
        return name

    def second() -> None:
        with turns.take(CancelToken(), lambda: send("second")):
            order.append("second receives")

    with turns.take(CancelToken(), lambda: send("first")):
        order.append("first receives")
        other = _thread(second)
        assert second_has_sent.wait(30)
        order.append("first is done")
    other.join(30)
    assert order == ["first sends", "first receives", "second sends", "first is done", "second receives"]


def test_a_call_that_has_sent_nothing_has_the_process_to_itself() -> None:
    turns, sent = Turns(), threading.Event()

    def other() -> None:
        with turns.take(CancelToken(), lambda: sent.set() or "sent"):  # type: ignore[func-returns-value]
            pass

    with turns.take(CancelToken()) as ahead:
        assert ahead is None
        waiting = _thread(other)
        waiting.join(0.05)
        assert not sent.is_set()
    waiting.join(30)
    assert sent.is_set()


def test_a_cancel_ends_the_waiting_but_not_of_what_was_sent() -> None:
    turns, cancel = Turns(), CancelToken()
    received = threading.Event()

    def sender() -> None:
        with turns.take(cancel, lambda: cancel.cancel() or "sent"):  # type: ignore[func-returns-value]
            received.set()

    with turns.take(CancelToken(), lambda: "first"):
        waiting = _thread(sender)
    waiting.join(30)
    assert received.is_set()
    with pytest.raises(Cancelled), turns.take(cancel):
        raise AssertionError("it was cancelled before")
    with turns.take(CancelToken()):
        pass  # and nothing is held
