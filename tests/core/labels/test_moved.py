"""Labels that come back: after a lost database, after a kill in between, and in a folder that was moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.dataset.records import Scan
from core.errors import DatasetError
from core.labels.events import LabelEvent
from core.labels.labelling import Labelling
from core.labels.moved import elsewhere, take_over
from core.store import Store


def bare(events: list[LabelEvent]) -> list[LabelEvent]:
    return [replace(event, number=0) for event in events]


def lose(store: Store, home: Path) -> Store:
    store.close()
    for file in home.glob("results.sqlite3*"):
        file.unlink()
    return Store(home / "results.sqlite3")


def change(labelling: Labelling) -> None:
    paths = [picture.path for picture in labelling.scan.pictures]
    labelling.label(paths[:2], "dog")
    labelling.exclude(paths[4:5])
    labelling.undo()
    labelling.redo()
    labelling.rename_class("dog", "wolf")
    labelling.undo()


def test_a_lost_database_gets_all_labels_back_once(store: Store, scan: Scan, tmp_path: Path) -> None:
    labelling = Labelling(store, scan)
    change(labelling)
    events, state = labelling.events(), labelling.state
    for _ in range(2):
        store = lose(store, tmp_path)
        found = Labelling(store, scan)
        assert bare(found.events()) == bare(events)
        assert replace(found.state, cursor=0) == replace(state, cursor=0)
        assert Labelling(store, scan).undo().summary.startswith("Undone")
        events, state = found.events(), found.refresh().state
    store.close()


def test_an_older_database_gets_what_it_lacks(store: Store, scan: Scan, tmp_path: Path) -> None:
    labelling = Labelling(store, scan)
    labelling.label([scan.pictures[0].path], "dog")
    store.close()
    older = (tmp_path / "results.sqlite3").read_bytes()
    store = Store(tmp_path / "results.sqlite3")
    Labelling(store, scan).label([scan.pictures[1].path], "fox")
    events = store.label_events(str(scan.root))
    store.close()
    for ending in ("-wal", "-shm"):
        (tmp_path / f"results.sqlite3{ending}").unlink(missing_ok=True)
    (tmp_path / "results.sqlite3").write_bytes(older)
    store = Store(tmp_path / "results.sqlite3")
    assert bare(Labelling(store, scan).events()) == bare(events)
    store.close()


@pytest.mark.parametrize("torn", [0, 1, 40])
def test_what_the_file_lacks_after_a_kill_or_a_torn_line_is_written_with_the_next_change(
    store: Store, scan: Scan, tmp_path: Path, torn: int
) -> None:
    labelling = Labelling(store, scan)
    labelling.label([scan.pictures[0].path], "dog")
    labelling.label([scan.pictures[1].path], "fox")
    (file,) = (tmp_path / "labels").glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + lines[-1][:torn])  # the database has the action, the file has not
    store.close()
    store = Store(tmp_path / "results.sqlite3")
    labelling = Labelling(store, scan)
    labelling.label([scan.pictures[2].path], "owl")
    events = labelling.events()
    store = lose(store, tmp_path)
    assert bare(Labelling(store, scan).events()) == bare(events)
    store.close()


def test_two_processes_write_one_file_in_the_order_of_the_database(scan: Scan, tmp_path: Path) -> None:
    stores = [Store(tmp_path / "results.sqlite3") for _ in range(2)]
    both = [Labelling(store, scan) for store in stores]
    for turn, name in enumerate("abcdef"):
        both[turn % 2].label([scan.pictures[0].path], name)
    events = both[0].events()
    stores[1].close()
    store = lose(stores[0], tmp_path)
    assert bare(Labelling(store, scan).events()) == bare(events)
    assert Labelling(store, scan).state.label_of(scan.pictures[0]) == "f"
    store.close()


def test_labels_are_kept_where_the_file_cannot_be_written(store: Store, scan: Scan, tmp_path: Path) -> None:
    labelling = Labelling(store, scan)
    labelling.label([scan.pictures[0].path], "dog")
    (file,) = (tmp_path / "labels").glob("*.jsonl")
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()
    labelling.label([scan.pictures[1].path], "fox")
    assert Labelling(store, scan).state.label_of(scan.pictures[1]) == "fox"
    file.rmdir()
    file.write_bytes(kept)
    labelling.label([scan.pictures[2].path], "owl")
    events = labelling.events()
    store = lose(store, tmp_path)
    assert bare(Labelling(store, scan).events()) == bare(events)
    store.close()


def test_a_folder_that_was_moved_finds_its_labels_by_content_and_takes_them_over_once(
    store: Store, scan: Scan, tmp_path: Path
) -> None:
    labelling = Labelling(store, scan)
    change(labelling)
    pictures = tuple(replace(picture, path=f"deeper/{picture.path}") for picture in scan.pictures)
    moved = replace(scan, root=tmp_path / "moved", pictures=pictures)
    store = lose(store, tmp_path)  # the database may be lost as well
    (found,) = elsewhere(store, moved)
    assert (found.folder, found.pictures) == (scan.root, found.total)
    assert "not there any more" in found.sentence
    labelling = Labelling(store, scan)
    for _ in range(2):
        assert take_over(store, moved, scan.root) == len(labelling.events())
    after = Labelling(store, moved)
    states = labelling.state, after.state
    for old, new in zip(scan.pictures, moved.pictures, strict=True):
        assert states[0].labels_of(old) == states[1].labels_of(new)
        if new.sha256 != moved.pictures[0].sha256:  # of copies nothing says which one is meant
            assert states[0].is_excluded(old) == states[1].is_excluded(new)
    assert after.redo().summary.startswith("Redone: Renamed dog to wolf")
    assert elsewhere(store, moved) == []
    assert len(Labelling(store, scan).events()) == len(labelling.events())
    with pytest.raises(DatasetError, match="labelled already"):
        take_over(store, moved, scan.root)
    with pytest.raises(DatasetError, match="No labels are kept"):
        take_over(store, moved, tmp_path / "nowhere")
    store.close()
