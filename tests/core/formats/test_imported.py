"""What archives leave in the home: kept while something uses it, and removed when asked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from core.cli.main import run
from core.dataset.manifest import Manifest
from core.formats import imported
from core.paths import AppPaths
from core.workbench import Workbench
from tests.core.formats.drawn import encode, pictures

OLD = 1_600_000_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def opened(workbench: Workbench, root: Path, name: str) -> Manifest:
    """Open an archive of four pictures, long ago."""
    folder = pictures(root / name, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        file.write_bytes(encode(number + len(name)))
    scan = workbench.data.scan(Path(shutil.make_archive(str(folder), "zip", folder)))
    for place in workbench.paths.imports.iterdir():
        os.utime(place, (OLD, OLD))
    return workbench.data.split(scan, (0.5, 0.25, 0.25))


def test_what_nothing_uses_is_found_and_removed(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workbench = Workbench(AppPaths(home))
    unused, labelled, recent = (opened(workbench, tmp_path, name) for name in ("a", "bb", "ccc"))
    scan = workbench.data.scan(labelled.root)
    workbench.data.labelling(scan).label([scan.pictures[0].path], "dog")
    workbench.data.remember(recent)
    left = workbench.paths.imports / ".99999999-killed.zip"
    pictures(left, "cat/1.jpg")
    running = workbench.paths.imports / f".{os.getpid()}-running.zip"
    running.mkdir()
    workbench.close()
    assert run(["imports", "--json"]) == 0
    found = {Path(one["path"]).name: one["used_by"] for one in json.loads(capsys.readouterr().out)["imports"]}
    assert found == {
        unused.root.name: "",
        labelled.root.name: "labels that were given",
        recent.root.name: "opened in the last 30 days",
        left.name: "",
        running.name: "being unpacked",
    }
    assert run(["imports", "--remove"]) == 0
    assert "are removed" in capsys.readouterr().out
    assert set(os.listdir(home / "imports")) == {labelled.root.name, recent.root.name, running.name}
    assert os.listdir(home / "deleted") == []


def test_what_a_dataset_of_several_links_to_stays(home: Path, tmp_path: Path) -> None:
    workbench = Workbench(AppPaths(home).create())
    data = workbench.data
    of_labels, of_recent, unused = (opened(workbench, tmp_path, name).root for name in ("a", "bb", "ccc"))
    mine = pictures(tmp_path / "mine", "cat/1.jpg", "dog/1.jpg")
    scan = data.scan(data.join([of_labels, mine]))
    data.labelling(scan).label([scan.pictures[0].path], "dog")
    data.remember(data.split(data.scan(data.join([of_recent, mine])), (0.5, 0.25, 0.25)))
    assert [one.path for one in workbench.folders.remove_unused_imports()] == [unused]
    workbench.close()


def test_what_a_job_learned_from_and_what_was_opened_again_stays(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "imports" / "pets-0123", "cat/1.jpg")
    os.utime(folder, (OLD, OLD))
    elsewhere = "/another/home/imports/pets-0123/inner"  # the home was moved since
    assert imported.imported(folder.parent, {"a job": [elsewhere]}, {})[0].used_by == "a job"
    (alone,) = imported.imported(folder.parent, {"a job": ["/pets"]}, {})
    assert (alone.used_by, alone.opened) == ("", OLD)
    imported.mark_opened(folder)
    assert imported.imported(folder.parent, {}, {})[0].used_by != ""
