from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import PictureError, UserFacingError
from core.models import Model, ModelAddress
from core.models.sort import Way, sort_folder, undo
from core.models.sort.journal import JOURNAL, Journal
from core.models.sort.sorting import TABLE, UNKNOWN, UNSURE
from core.paths import ROOT
from core.predict.records import Prediction, Unreadable
from core.progress import CancelToken


class ByName(Model):
    """Says what a file's name begins with: `cat-90-1.jpg` is a cat by 0.90."""

    def __init__(self) -> None:
        super().__init__("by name", ModelAddress.job("by-name"), None, "test")

    def classify(self, pictures, *_arguments, **_named):
        return [self._answer(picture) for picture in pictures]

    def _answer(self, picture):
        label, percent, *_ = picture.stem.split("-")
        if label == "broken":
            return Unreadable(picture, PictureError(f"{picture.name} is damaged."))
        found = ((label.replace("+", "/"), int(percent) / 100),)
        return Prediction(picture, found, 1.0, "by name", 1, 1, strangeness=0.0, unknown="strange" in picture.stem)


def make(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"picture %d " % number + name.encode())
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


NAMES = (
    "cat-90-1.jpg",
    "cat-90-strange.jpg",
    "cat-40-2.jpg",
    "dog-99-1.jpg",
    "deep/cat-90-1.jpg",
    "broken-0-1.jpg",
    "deep/x+..+up-99-1.jpg",
)


@pytest.mark.parametrize("way", list(Way))
def test_every_picture_goes_where_the_model_says_and_all_of_it_is_undone(way, tmp_path):
    folder, into = make(tmp_path / "in", *NAMES, "notes.txt"), tmp_path / "out"
    before = files(folder)
    done = sort_folder(ByName(), folder, into, way, threshold=0.5)
    assert done.counts == {"cat": 2, "dog": 1, UNSURE: 1, UNKNOWN: 1, "x_.._up": 1}
    assert [error.what for error in done.refused] == ["broken-0-1.jpg is damaged."]
    rows = list(csv.DictReader((into / TABLE).read_text(encoding="utf-8").splitlines()))
    assert {row["folder"] for row in rows} == set(done.counts)
    made = {path for path in files(into) if path.endswith(".jpg")}
    if way is Way.CSV:
        assert made == set()
    else:
        assert made == {
            "cat/cat-90-1.jpg",
            "cat/cat-90-1 (2).jpg",
            f"{UNSURE}/cat-40-2.jpg",
            f"{UNKNOWN}/cat-90-strange.jpg",
            "dog/dog-99-1.jpg",
            "x_.._up/x+..+up-99-1.jpg",
        }
    assert files(folder) == ({n: before[n] for n in ("broken-0-1.jpg", "notes.txt")} if way is Way.MOVE else before)
    # Again: nothing is put twice.
    assert sort_folder(ByName(), folder, into, way, threshold=0.5).counts == done.counts
    assert {path for path in files(into) if path.endswith(".jpg")} == made
    assert undo(into).left == ()
    assert files(folder) == before
    assert not into.exists()


def test_a_sorting_into_a_folder_of_the_folder_does_not_take_its_own_pictures(tmp_path):
    folder = make(tmp_path / "in", "cat-90-1.jpg")
    for _ in range(2):
        assert sort_folder(ByName(), folder, folder / "sorted").counts == {"cat": 1}
    with pytest.raises(UserFacingError, match="into itself"):
        sort_folder(ByName(), folder, folder)


def test_what_is_there_is_never_overwritten_and_what_was_changed_since_is_left(tmp_path):
    folder, into = make(tmp_path / "in", "cat-90-1.jpg", "dog-99-1.jpg"), tmp_path / "out"
    make(into, "cat/cat-90-1.jpg")
    theirs = files(into)
    sort_folder(ByName(), folder, into, Way.MOVE)
    assert files(into)["cat/cat-90-1.jpg"] == theirs["cat/cat-90-1.jpg"]
    (into / "dog" / "dog-99-1.jpg").write_bytes(b"edited")
    assert undo(into).left == ("dog/dog-99-1.jpg was changed since",)
    assert set(files(folder)) == {"cat-90-1.jpg"}
    assert files(into)["dog/dog-99-1.jpg"] == b"edited"
    assert (into / JOURNAL).exists()


def test_with_watch_a_file_is_taken_when_it_has_stopped_growing(tmp_path):
    folder, into = make(tmp_path / "in", "cat-90-1.jpg"), tmp_path / "out"
    cancel, looks = CancelToken(), []

    def between(_seconds: float) -> None:
        looks.append(sorted(path for path in files(into) if path.endswith(".jpg")))
        match len(looks):
            case 1:
                make(folder, "dog-99-1.jpg")
            case 2 | 3:  # it is still being written
                with (folder / "dog-99-1.jpg").open("ab") as growing:
                    growing.write(b"more")
            case 5:  # a camera that uses a name again, after the file was moved
                make(folder, "cat-90-1.jpg")
            case 8:
                cancel.cancel()

    done = sort_folder(ByName(), folder, into, Way.MOVE, watch=True, cancel=cancel, sleep=between)
    assert done.counts == {"cat": 2, "dog": 1}
    assert looks[1] == ["cat/cat-90-1.jpg"]
    assert looks[3] == ["cat/cat-90-1.jpg"]
    assert looks[4] == ["cat/cat-90-1.jpg", "dog/dog-99-1.jpg"]
    assert looks[7] == ["cat/cat-90-1 (2).jpg", "cat/cat-90-1.jpg", "dog/dog-99-1.jpg"]
    assert files(into)["dog/dog-99-1.jpg"].endswith(b"moremore")


def test_with_watch_an_end_in_the_middle_of_a_pass_leaves_the_table_of_what_was_sorted(tmp_path):
    folder, into = make(tmp_path / "in", *(f"cat-90-{number}.jpg" for number in range(40))), tmp_path / "out"
    cancel = CancelToken()
    done = sort_folder(
        *(ByName(), folder, into, Way.COPY),
        watch=True,
        cancel=cancel,
        on_progress=lambda progress: cancel.cancel() if progress.done else None,
        sleep=lambda _: None,
    )
    with (into / TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert 0 < len(rows) == done.counts["cat"] < 40


KILLED = """
import sys
from pathlib import Path
sys.path[0] = {root!r}
from tests.core.models.sort import test_sort
from core.models.sort import Way, placing, sort_folder, sorting
put, left = sorting.put, {left}
def counted(*arguments):
    global left
    left -= 1
    if left == 0:
        {how}
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*arguments)
sorting.put = counted
sort_folder(test_sort.ByName(), Path({folder!r}), Path({into!r}), Way({way!r}))
"""
_TARGET = "target = arguments[1]; target.parent.mkdir(parents=True, exist_ok=True); "
BETWEEN = _TARGET + "target.hardlink_to(arguments[0])"
HALF = _TARGET + "(target.parent / f'.77-1a-{target.name}').write_bytes(b'half')"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
@pytest.mark.parametrize(("way", "left", "how"), [("move", 5, BETWEEN), ("copy", 3, HALF), ("move", 1, "pass")])
def test_after_a_kill_each_file_is_there_once(way, left, how, tmp_path):
    names = [f"{label}-90-{number}.jpg" for label in ("cat", "dog") for number in range(4)]
    folder, into = make(tmp_path / "in", *names), tmp_path / "out"
    before = files(folder)
    code = KILLED.format(root=str(ROOT), left=left, how=how, folder=str(folder), into=str(into), way=way)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=120, check=False, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with (into / JOURNAL).open("ab") as journal:  # and the line that it was writing
        journal.write(b'{"source": "/cut off')
    assert sort_folder(ByName(), folder, into, Way(way)).counts == {"cat": 4, "dog": 4}
    sorted_files = [path for path in files(into) if path.endswith(".jpg")]
    assert sorted(Path(path).name for path in sorted_files) == sorted(names)
    assert files(folder) == ({} if way == "move" else before)
    assert len(Journal(into).read()) == len(names)
    undo(into)
    assert files(folder) == before
    assert not into.exists()


def test_a_damaged_journal_and_a_second_run_at_once_are_refused(tmp_path):
    folder, into = make(tmp_path / "in", "cat-90-1.jpg"), tmp_path / "out"
    with pytest.raises(UserFacingError, match="Nothing was sorted"):
        undo(into)
    with pytest.raises(UserFacingError, match="There is no folder"):
        sort_folder(ByName(), tmp_path / "none", into)
    into.mkdir()
    (into / JOURNAL).write_text("{}\n")
    with pytest.raises(UserFacingError, match="cannot be read"):
        sort_folder(ByName(), folder, into)
    assert os.listdir(folder) == ["cat-90-1.jpg"]
    shutil.rmtree(into)
