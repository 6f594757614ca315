"""A dataset of animations and scans, read with each frame as a picture of its own."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.dataset import frames as frames_
from core.dataset.frames import take_apart
from core.dataset.records import ReadOptions
from core.errors import DatasetError
from core.formats.opened_source import OpenedSource
from core.formats.records import ClassFolders, Frames
from core.paths import AppPaths
from core.workbench import Workbench

ALL = ReadOptions(frames=Frames.ALL)


def film(file: Path, seed: int, count: int = 4) -> None:
    random = np.random.default_rng(seed)
    made = [Image.fromarray(random.integers(0, 255, (24, 32, 3), np.uint8)) for _ in range(count)]
    file.parent.mkdir(parents=True, exist_ok=True)
    made[0].save(file, save_all=True, append_images=made[1:])


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for number in range(6):
        film(tmp_path / "films" / ("cat" if number % 2 else "dog") / f"{number}.gif", number)
    film(tmp_path / "films" / "cat" / "one.gif", 77, 1)
    return tmp_path / "films"


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    return Workbench(AppPaths(tmp_path / "home"))


def test_each_frame_is_a_picture_and_no_split_tears_a_film_apart(films: Path, workbench: Workbench) -> None:
    scan = workbench.data.scan(films, options=ALL)
    assert scan.counts() == {"cat": {"": 13}, "dog": {"": 12}}
    assert len({picture.sha256 for picture in scan.pictures}) == 25
    of_films = [picture.group for picture in scan.pictures if picture.group]
    assert sorted(set(of_films)) == sorted(f"{'cat' if n % 2 else 'dog'}/{n}.gif" for n in range(6))
    assert "6 files with several frames" in scan.seen[-1]
    assert not [problem for problem in scan.problems if problem.kind == "several-frames"]
    split = {entry.path: entry.split for entry in workbench.data.split(scan).pictures}
    for group in set(of_films):
        assert len({split[picture.path] for picture in scan.pictures if picture.group == group}) == 1


def test_only_what_is_new_or_changed_is_taken_apart_again(
    films: Path, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workbench.data.scan(films, options=ALL)
    (films / "dog" / "0.gif").unlink()
    film(films / "dog" / "new.gif", 50, 2)
    asked: list[str] = []
    real = frames_._taken_apart
    monkeypatch.setattr(
        frames_, "_taken_apart", lambda source, *rest: (asked.append(source.name), real(source, *rest))[1]
    )
    second = workbench.data.scan(films, options=ALL)
    assert asked == ["new.gif"]
    assert second.root == first.root
    assert second.counts() == {"cat": {"": 13}, "dog": {"": 10}}
    # The window opens the folder of the last time with the options that it was read with.
    again = workbench.data.scan(second.root, options=second.options)
    assert asked == ["new.gif"]
    assert again.pictures == second.pictures


def test_what_was_odd_is_still_said_and_ways_out_keep_the_frames(films: Path, workbench: Workbench) -> None:
    (films / "dog" / "0.gif").write_bytes((films / "dog" / "0.gif").read_bytes()[:900])
    film(films / "loose.gif", 90)
    scan = workbench.data.scan(films, options=ALL)
    kinds = {problem.kind for problem in scan.problems}
    assert {"no-class", "unreadable"} <= kinds
    assert scan.counts() == {"cat": {"": 13}, "dog": {"": 8}}
    for label in ("wolf", "fox"):
        for breed in ("a", "b"):
            film(films / "dog" / label / breed / "1.gif", len(label))
    doubt = [problem for problem in workbench.data.scan(films, options=ALL).problems if problem.offers]
    assert doubt
    assert all(offer.options.frames is Frames.ALL for problem in doubt for offer in problem.offers)
    inner = ReadOptions(class_folders=ClassFolders.INNER, frames=Frames.ALL)
    assert workbench.data.scan(films, options=inner).root != scan.root


def test_labels_of_a_file_are_those_of_its_frames(films: Path, workbench: Workbench, tmp_path: Path) -> None:
    rows = [
        {"image": "cat/1.gif", "label": ["a", "b"], "group": "home"},
        {"image": "dog/0.gif", "label": ["a"], "group": "home"},
        {"image": "dog/2.gif", "label": ["b"], "split": "test"},
    ]
    (films / "all.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    options = ReadOptions(labels="all.jsonl", frames=Frames.ALL)
    written = workbench.data.convert(films, "jsonl", tmp_path / "out", options)
    assert (written.pictures, written.classes) == (12, 2)
    found = [json.loads(line) for line in (tmp_path / "out" / "labels.jsonl").read_text("utf-8").splitlines()]
    assert sum(row["labels"] == ["a", "b"] for row in found) == 4
    assert sum(row.get("group") == "home" for row in found) == 8


def test_films_without_labels_are_opened_to_be_labelled(films: Path, workbench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for file in films.rglob("*.gif"):
        file.rename(tmp_path / "bare" / f"IMG_{file.stem}.gif")
    scan = workbench.data.scan(tmp_path / "bare", options=ALL, unlabelled=True)
    assert scan.counts() == {"": {"": 25}}


def test_a_full_disk_is_said(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(DatasetError, match="no room"):
        take_apart(OpenedSource(films, ALL), tmp_path / "imports")


def test_what_is_written_lies_beside_what_was_opened_and_not_in_a_folder_that_is_cleared(
    films: Path, workbench: Workbench, tmp_path: Path
) -> None:
    data = workbench.data
    root = data.scan(films, options=ALL).root
    assert data.named_after(films, films) == films
    assert data.named_after(root, films) == films
    assert data.named_after(root, tmp_path / "set.tar.gz") == tmp_path / "set"
    assert data.named_after(root, root) == data.named_after(root, None) == Path.home() / root.name
    with pytest.raises(DatasetError, match="a folder of your own"):
        data.convert(films, "csv", root.parent / "mine")
    with pytest.raises(DatasetError, match="a folder of your own"):
        data.write_labels(data.scan(films), root.parent / "mine")


def unreadable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse to open a file, as it does not to a superuser whatever the file's rights are."""
    real = {name: getattr(place, name) for place, name in ((os, "open"), (shutil, "copyfile"))}
    access = os.access

    def refusing(name: str) -> Callable[..., Any]:
        def refuse(path: Any, *rest: Any, **more: Any) -> Any:
            if Path(path).name.startswith(file.stem):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return real[name](path, *rest, **more)

        return refuse

    monkeypatch.setattr(os, "open", refusing("open"))
    monkeypatch.setattr(shutil, "copyfile", refusing("copyfile"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file and access(path, mode))


def no_link(*_: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_cannot_be_read_fails_no_scan_and_is_tried_again(
    links: bool, films: Path, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = films / "dog" / "secret.gif"
    film(secret, 99)
    with monkeypatch.context() as patch:
        unreadable(secret, patch)
        if not links:
            patch.setattr(os, "link", no_link)
        scan = workbench.data.scan(films, options=ALL)
    assert scan.counts() == {"cat": {"": 13}, "dog": {"": 12}}
    (left,) = scan.unreadable
    assert Path(left).name.startswith("secret")
    assert workbench.data.scan(films, options=ALL).counts()["dog"] == {"": 16}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("of", "name", "value"), [(frames_, "SPARE", 1 << 60), (shutil, "copyfile", full)])
def test_a_full_disk_is_said_of_what_is_copied(
    of: object, name: str, value: object, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for film_ in films.rglob("[0-9].gif"):
        film_.unlink()
    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(of, name, value)
    with pytest.raises(DatasetError, match="no room"):
        take_apart(OpenedSource(films, ALL), tmp_path / "imports")


def test_a_full_disk_is_said_of_what_is_noted(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_, "write_text", full)
    with pytest.raises(DatasetError, match="no room"):
        take_apart(OpenedSource(films, ALL), tmp_path / "imports")


def test_what_a_link_in_a_dataset_leads_to_is_read(films: Path, workbench: Workbench) -> None:
    (films / "dog" / "linked.gif").symlink_to(Path("..", "cat", "one.gif"))
    scan = workbench.data.scan(films, options=ALL)
    assert scan.counts()["dog"] == {"": 13}
    assert not scan.unreadable
