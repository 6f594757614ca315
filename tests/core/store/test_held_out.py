"""Locked test folders: what is in them, and how often they were looked at."""

from __future__ import annotations

from core.store import Store


def test_a_look_counts_on_a_locked_folder_alone_and_stays_known(tmp_path):
    folder, within, beside = tmp_path / "held", tmp_path / "held" / "cats", tmp_path / "held-not"
    store = Store(tmp_path / "store.sqlite")
    held = store.held_out
    assert held.look(folder, "one") is None
    held.lock(folder)
    assert held.find(beside) is None
    assert held.find(within) is not None  # a part of it is held out as well
    assert "not been looked at" in held.find(folder).sentence
    assert held.look(folder, "one").looks == 1
    held.look(within, "one")
    found = held.look(folder, "two")
    assert (found.looks, found.models) == (3, 2)
    assert "3 times, for 2 models" in found.sentence
    held.unlock(folder)
    assert held.find(folder) is None
    store.close()
    again = Store(tmp_path / "store.sqlite")
    again.held_out.lock(folder)
    assert again.held_out.find(folder) == found
    again.close()
