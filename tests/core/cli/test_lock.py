"""`sagehound lock`: a test folder that nothing learns from."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from core.cli.main import run
from core.dataset.records import ReadOptions
from core.dataset.sources import learned_folders
from core.errors import Cancelled, DatasetError
from core.formats.records import Frames
from core.jobs.ranges import IntegerRange
from core.jobs.records import TrainingJob, TuningJob
from core.jobs.specs import MetricDefinition, Spec, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.progress import CancelToken, Progress
from core.store import Store
from core.workbench import Workbench
from core.workbench.dataset_work import DatasetWork

LOSS = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")


def draw(root: Path, red: int = 0) -> None:
    for number in range(16):
        folder = root / ("light" if number % 2 else "dark")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (red + number, 10 * number, 255 * (number % 2))).save(folder / f"{number}.png")


@pytest.fixture
def held(tmp_path, monkeypatch):
    """A folder of labelled pictures, and a home of its own."""
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    draw(tmp_path / "held")
    return tmp_path / "held"


def test_nothing_is_trained_on_a_locked_folder(held, capsys):
    assert run(["lock", str(held), "--json"]) == 0
    folder = str(held.resolve())
    assert json.loads(capsys.readouterr().out) == {"folder": folder, "locked": True, "looks": 0, "models": 0}
    assert run(["train", str(held)]) == 1
    said = capsys.readouterr().err
    assert f"{folder} is locked as a held-out test folder." in said
    assert run(["jobs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["lock", str(held), "--off"]) == 0
    assert "is not locked" in capsys.readouterr().out


def by_joining(held: Path, other: Path) -> list[str]:
    return [str(other), "--also", str(held)]


def by_frames(held: Path, other: Path) -> list[str]:
    return [*by_joining(held, other), "--frames", "all"]


def by_frames_that_are_joined(held: Path, other: Path) -> list[str]:
    workbench = Workbench(AppPaths.default())
    frames = workbench.data.scan(held, options=ReadOptions(frames=Frames.ALL)).root
    workbench.close()
    return by_joining(frames, other)


def by_a_link_to_each_picture(held: Path, other: Path) -> list[str]:
    for file in held.rglob("*.png"):
        (other / file.parent.name / f"linked-{file.name}").symlink_to(file)
    return [str(other)]


def by_an_outer_folder(held: Path, other: Path) -> list[str]:
    shutil.move(held, other / "train")
    shutil.move(other / "dark", other / "test" / "dark")
    shutil.move(other / "light", other / "test" / "light")
    held.symlink_to(other / "train", target_is_directory=True)
    return [str(other)]


WAYS = [by_joining, by_frames, by_frames_that_are_joined, by_a_link_to_each_picture, by_an_outer_folder]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_trained_on_a_locked_folder_by_way_of_another(way, held, tmp_path, capsys):
    draw(tmp_path / "other", 100)
    words = way(held, tmp_path / "other")
    assert run(["lock", str(held)]) == 0
    assert run(["train", *words]) == 1
    assert f"{held.resolve()} is locked as a held-out test folder." in capsys.readouterr().err


def test_nothing_is_trained_on_copies_of_locked_pictures(held, tmp_path, capsys):
    draw(tmp_path / "other", 100)
    for file in held.rglob("*.png"):
        copy = shutil.copy(file, tmp_path / "other" / file.parent.name / f"copy-{file.name}")
    assert run(["lock", str(held)]) == 0
    assert run(["train", str(tmp_path / "other")]) == 1
    said = capsys.readouterr().err
    assert f"pictures to learn from are in {held.resolve()} too" in said
    assert "One is dark/copy-" in said
    assert run(["lock", str(held), "--off"]) == 0
    store = Store(AppPaths.default().database)
    assert store.held_out.find_copies([hashlib.sha256(Path(copy).read_bytes()).hexdigest()]) is None
    store.close()


def test_what_links_to_folders_lead_to_is_held_out_too_and_a_loop_ends(held, tmp_path, capsys):
    draw(tmp_path / "other", 100)
    draw(tmp_path / "elsewhere", 200)
    (held / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (held / "loop").symlink_to(held, target_is_directory=True)
    shutil.copy(tmp_path / "elsewhere" / "dark" / "2.png", tmp_path / "other" / "dark" / "copy.png")
    assert run(["lock", str(held)]) == 0
    assert run(["train", str(tmp_path / "other")]) == 1
    assert "One is dark/copy.png" in capsys.readouterr().err


def test_what_is_in_a_folder_that_was_locked_by_an_older_version_is_found_out(held, tmp_path, capsys):
    shutil.copytree(held, tmp_path / "copies")
    store = Store(AppPaths(tmp_path / "home").create().database)
    store.held_out.lock(held)
    store.held_out.lock(tmp_path / "gone")
    assert run(["train", str(tmp_path / "copies")]) == 1
    assert f"pictures to learn from are in {held.resolve()} too" in capsys.readouterr().err
    assert store.held_out.of_unknown_contents() == [tmp_path / "gone"]
    store.held_out.unlock(held)
    store.held_out.note_contents(held, ["0" * 64])  # which was found out while it was unlocked
    assert store.held_out.find_copies(["0" * 64]) is None
    store.close()


def test_others_write_to_the_store_while_a_large_folder_is_being_locked(held, tmp_path):
    workbench = Workbench(AppPaths(tmp_path / "home").create())
    seen = []

    def write(progress: Progress) -> None:
        other = sqlite3.connect(workbench.paths.database, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        other.close()
        seen.append((progress.done, progress.total))

    assert workbench.folders.lock(held, on_progress=write) is not None
    assert seen[-1] == (16, 16)
    workbench.folders.lock(held, False)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        workbench.folders.lock(held, on_progress=lambda _: cancel.cancel(), cancel=cancel)
    assert workbench.store.held_out.find(held) is None
    workbench.close()


def test_a_locked_folder_may_be_the_test_split_of_a_dataset(held, tmp_path):
    draw(tmp_path / "whole" / "train", 100)
    shutil.move(held, tmp_path / "whole" / "test")
    store = Store(AppPaths(tmp_path / "home").create().database)
    store.held_out.lock(tmp_path / "whole" / "test")
    workbench = Workbench(AppPaths.default())
    manifest = workbench.data.split(workbench.data.scan(tmp_path / "whole"))
    workbench.close()
    assert {Path(folder).name for folder in learned_folders(manifest)} == {"whole", "dark", "light"}
    assert store.held_out.find_first(learned_folders(manifest)) is None
    assert store.held_out.find(manifest.path_of(manifest.of("test")[0])) is not None
    store.close()


def itself(held: Path, data: DatasetWork) -> Path:
    return held.resolve()


def by_a_link(held: Path, data: DatasetWork) -> Path:
    link = held.with_name("link")
    link.symlink_to(held, target_is_directory=True)
    return link


def joined(held: Path, data: DatasetWork) -> Path:
    draw(held.with_name("other"), 100)
    return data.join([held, held.with_name("other")])


def joined_and_taken_apart(held: Path, data: DatasetWork) -> Path:
    return data.scan(joined(held, data), options=ReadOptions(frames=Frames.ALL)).root


@pytest.mark.parametrize("opened", [itself, by_a_link, joined, joined_and_taken_apart])
def test_what_was_learned_from_cannot_be_held_out(opened, held, tmp_path, capsys):
    workbench = Workbench(AppPaths(tmp_path / "home").create())
    spec = TrainingSpec("first", {}, {}, (LOSS,), dataset_path=str(opened(held, workbench.data)))
    workbench.store.add_job(TrainingJob("first", JobStatus.COMPLETED, 1.0), spec)
    workbench.close()
    assert run(["lock", str(held)]) == 1
    assert "has learned from" in capsys.readouterr().err
    assert run(["lock", str(tmp_path / "nowhere")]) == 1


def learned(workbench: Workbench, spec: Spec, folder: Path) -> Spec:
    """Let a job have learned from a folder."""
    manifest = workbench.data.split(workbench.data.scan(folder))
    workbench.data.remember(manifest)
    return spec.with_training(dataset_path=str(folder), dataset_version=manifest.version)


def test_copies_of_what_was_learned_from_cannot_be_held_out(held, tmp_path, capsys):
    workbench = Workbench(AppPaths(tmp_path / "home").create())
    spec = learned(workbench, TrainingSpec("first", {}, {}, (LOSS,)), held)
    workbench.store.add_job(TrainingJob("first", JobStatus.COMPLETED, 1.0), spec)
    manifest = workbench.data.manifest(spec.training.dataset_version)
    workbench.close()
    count = sum(entry.split != "test" for entry in manifest.pictures)
    assert 0 < count < 16
    shutil.copytree(held, tmp_path / "copies")
    assert run(["lock", str(tmp_path / "copies")]) == 1
    assert f"A job on {held} has learned from copies of {count} pictures in" in capsys.readouterr().err
    for entry in manifest.pictures:
        if entry.split != "test":
            (tmp_path / "copies" / entry.path).unlink()
    assert run(["lock", str(tmp_path / "copies")]) == 0  # what the job was tested on may be


def test_a_job_that_starts_while_a_folder_is_read_has_learned_from_it(held, tmp_path):
    workbench = Workbench(AppPaths(tmp_path / "home").create())
    spec = learned(workbench, TrainingSpec("first", {}, {}, (LOSS,)), held)

    def start(progress: Progress) -> None:
        if progress.done == progress.total:
            workbench.store.add_job(TrainingJob("first", JobStatus.IN_PROGRESS, 1.0), spec)

    with pytest.raises(DatasetError, match="A job has learned from"):
        workbench.folders.lock(held, on_progress=start)
    assert workbench.store.held_out.find(held) is None
    workbench.close()


def test_a_lock_that_is_cancelled_when_all_is_read_is_none(held, tmp_path):
    workbench, cancel = Workbench(AppPaths(tmp_path / "home").create()), CancelToken()

    def when_all_is_read(progress: Progress) -> None:
        if progress.done == progress.total:
            cancel.cancel()

    with pytest.raises(Cancelled):
        workbench.folders.lock(held, on_progress=when_all_is_read, cancel=cancel)
    assert workbench.store.held_out.find(held) is None
    workbench.close()


def test_a_search_on_copies_of_what_was_locked_since_is_not_resumed(held, tmp_path, capsys):
    shutil.copytree(held, tmp_path / "copies")
    workbench = Workbench(AppPaths(tmp_path / "home").create())
    training, ranges = TrainingSpec("search", {}, {}, (LOSS,)), (IntegerRange("epochs", 1, 3),)
    spec = learned(workbench, TuningSpec(training, ranges), tmp_path / "copies")
    workbench.store.held_out.lock(held)
    workbench.store.add_job(TuningJob("search", JobStatus.STOPPED, 1.0), spec)
    workbench.close()
    assert run(["resume", "search"]) == 1
    assert f"pictures to learn from are in {held.resolve()} too" in capsys.readouterr().err
