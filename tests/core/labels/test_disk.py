"""Labels written to the disk: whatever ends it, every picture is there, and the same call goes on."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.dataset.records import Picture, Scan
from core.errors import DatasetError
from core.labels.disk import PLAN, take_back, write_labels
from core.labels.label_state import fold
from core.labels.labelling import Labelling
from core.store import Store

NAMES = ("a.jpg", "b.jpg", "trip/a.jpg", "trip/c.jpg", "d.jpg")


class Killed(BaseException):
    """The process ended here."""


def made(root: Path) -> Scan:
    pictures = []
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(f"picture {name}".encode())
        sha256 = hashlib.sha256((root / name).read_bytes()).hexdigest()
        pictures.append(Picture(name, "", None, 1, 8, 8, "JPEG", sha256, 0))
    return Scan(root, "classes", (), tuple(pictures), (), ())


def contents(*folders: Path) -> set[bytes]:
    files = [
        file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")
    ]
    return {file.read_bytes() for file in files}


@contextmanager
def harm(after: int, error: BaseException) -> Iterator[None]:
    """Let the file operation of this number, of those that make or remove files, fail."""
    count = 0
    real = {name: getattr(os, name) for name in ("rename", "replace", "fsync")} | {"copy2": shutil.copy2}

    def harmed(name: str):
        def operation(*words, **options):
            nonlocal count
            count += 1
            if count == after:
                raise error
            return real[name](*words, **options)

        return operation

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(shutil if name == "copy2" else os, name, harmed(name))
        yield


@pytest.fixture
def labelled(tmp_path: Path) -> Iterator[Labelling]:
    store = Store(tmp_path / "results.sqlite3")
    labelling = Labelling(store, made(tmp_path / "photos"))
    labelling.label(["a.jpg", "trip/a.jpg"], "cat")
    labelling.label(["b.jpg", "d.jpg"], "dog")
    labelling.exclude(["d.jpg"])
    yield labelling
    store.close()


def tree(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} - {PLAN}


def test_pictures_are_copied_and_those_without_a_class_or_left_out_are_not(labelled: Labelling, tmp_path: Path) -> None:
    written = write_labels(labelled.scan, labelled.state, tmp_path / "out")
    assert tree(tmp_path / "out") == {"cat/a.jpg", "cat/a-2.jpg", "dog/b.jpg"}
    assert (written.count, written.left) == (3, 2)
    assert tree(tmp_path / "photos") == set(NAMES)
    with pytest.raises(DatasetError, match="not empty"):
        write_labels(labelled.scan, labelled.state, tmp_path / "out")


@pytest.mark.parametrize("where", ["photos", "out"])
def test_a_move_is_taken_back_also_in_place(labelled: Labelling, tmp_path: Path, where: str) -> None:
    write_labels(labelled.scan, labelled.state, tmp_path / where, move=True)
    assert {"cat/a.jpg", "cat/a-2.jpg", "dog/b.jpg"} <= tree(tmp_path / where)
    assert {"d.jpg", "trip/c.jpg"} <= tree(tmp_path / "photos")
    assert len(contents(tmp_path / "photos", tmp_path / "out")) == len(NAMES)
    assert take_back(tmp_path / where) == 3
    assert tree(tmp_path / "photos") == set(NAMES)
    assert not (tmp_path / "photos" / "cat").exists()
    with pytest.raises(DatasetError, match="Nothing was moved"):
        take_back(tmp_path / where)


def test_a_picture_that_changed_since_the_scan_and_a_place_that_is_taken_are_said(
    labelled: Labelling, tmp_path: Path
) -> None:
    (tmp_path / "photos" / "b.jpg").write_bytes(b"another")
    with pytest.raises(DatasetError, match=r"b\.jpg has changed since"):
        write_labels(labelled.scan, labelled.state, tmp_path / "out")
    (tmp_path / "photos" / "b.jpg").write_bytes(b"picture b.jpg")
    (tmp_path / "out" / "dog").mkdir(exist_ok=True)
    (tmp_path / "out" / "dog" / "b.jpg").write_bytes(b"of the user")
    with pytest.raises(DatasetError, match="is another file"):
        write_labels(labelled.scan, labelled.state, tmp_path / "out")
    assert (tmp_path / "out" / "dog" / "b.jpg").read_bytes() == b"of the user"


@settings(max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
class Work(RuleBasedStateMachine):
    """A person who labels, undoes and writes, while processes are killed and disks are full."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="sagehound-labels-"))
        self.scan = made(self.place / "photos")
        self.store = Store(self.place / "results.sqlite3")
        self.labelling = Labelling(self.store, self.scan)
        self.expected: dict[str, str] = {}
        self.undo_stack: list[dict[str, str]] = []
        self.redo_stack: list[dict[str, str]] = []
        self.outs = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.place)

    @rule(paths=st.sets(st.sampled_from(NAMES), min_size=1), name=st.sampled_from(["cat", "dog", None]))
    def label(self, paths: set[str], name: str | None) -> None:
        after = self.expected | dict.fromkeys(paths, name or "")
        if {path: label for path, label in after.items() if label} != self.known():
            self.undo_stack.append(self.expected)
            self.redo_stack.clear()
            self.expected = after
        self.labelling.label(paths, name)

    def known(self) -> dict[str, str]:
        return {path: label for path, label in self.expected.items() if label}

    @rule()
    def undo(self) -> None:
        self.labelling.undo()
        if self.undo_stack:
            self.redo_stack.append(self.expected)
            self.expected = self.undo_stack.pop()

    @rule()
    def redo(self) -> None:
        self.labelling.redo()
        if self.redo_stack:
            self.undo_stack.append(self.expected)
            self.expected = self.redo_stack.pop()

    @rule(name=st.sampled_from(["cat", "fox"]))
    def label_on_a_full_disk(self, name: str) -> None:
        """What cannot be kept has not happened."""
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.store, "add_label_events", lambda *_: (_ for _ in ()).throw(full))
            with pytest.raises(OSError, match="No space"):
                self.labelling.label([self.scan.pictures[0].path], f"{name}-{len(self.undo_stack)}")

    @rule()
    def another_process(self) -> None:
        self.store.close()
        self.store = Store(self.place / "results.sqlite3")
        self.labelling = Labelling(self.store, self.scan)

    @rule(after=st.integers(1, 14), full=st.booleans(), move=st.booleans())
    def write(self, after: int, full: bool, move: bool) -> None:
        """Killed or out of room at some operation, and then done again to its end; a move is taken back."""
        if not self.known():
            return
        self.outs += 1
        out = self.place / f"out{self.outs}"
        error: BaseException = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else Killed()
        try:
            with harm(after, error):
                write_labels(self.scan, self.labelling.state, out, move)
        except (DatasetError, Killed):
            assert len(contents(self.place / "photos", out)) == len(NAMES)
            write_labels(self.scan, self.labelling.state, out, move)
        of = {file.read_bytes().decode().removeprefix("picture "): file.parent.name for file in out.glob("*/*.jpg")}
        assert of == self.known()
        if move:
            try:
                with harm(after, error):
                    take_back(out)
            except (DatasetError, Killed):
                assert len(contents(self.place / "photos", out)) == len(NAMES)
            if (out / PLAN).exists():
                take_back(out)
            assert tree(self.place / "photos") == set(NAMES)

    @invariant()
    def nothing_is_lost_and_history_leads_here(self) -> None:
        state = self.labelling.state
        assert {p.path: state.label_of(p) for p in self.scan.pictures if state.label_of(p)} == self.known()
        assert fold(self.labelling.events()) == state
        numbers = [event.number for event in self.labelling.events()]
        assert numbers == sorted(set(numbers))


TestWork = Work.TestCase
