"""Files are whole and on the disk before anything says so, and what is not as it was is found."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from training_scripts.durable import SEAL_FILE, flush, is_no_room, is_whole, replacing, seal, sealed, write_text


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is flushed and replaced, in order."""
    made: list[str] = []
    fsync, replace = os.fsync, os.replace

    def name(descriptor: int) -> str:
        found = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        return found.rpartition("-")[2]

    monkeypatch.setattr(os, "fsync", lambda descriptor: (made.append(f"flush {name(descriptor)}"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda a, b: (made.append(f"replace {Path(b).name}"), replace(a, b)))
    return made


def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_anything_is_told(
    tmp_path: Path, calls: list[str]
) -> None:
    write_text(tmp_path / "folder" / "a.json", "{}")
    assert calls == ["flush a.json", "replace a.json", "flush folder"]
    calls.clear()
    write_text(tmp_path / "folder" / "a.json", "[]", flushed=False)
    assert calls == ["replace a.json"]


def test_what_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "before\n")

    def fill() -> None:
        with replacing(file) as partial:
            partial.write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert (file.read_text(), list(tmp_path.iterdir())) == ("before\n", [file])


def test_all_files_are_flushed_before_the_folders_that_name_them(tmp_path: Path, calls: list[str]) -> None:
    files = [tmp_path / "job" / "out" / "a", tmp_path / "job" / "b"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    flush([*files, tmp_path / "job", tmp_path / "gone"])
    assert set(calls[:2]) == {"flush a", "flush b"}
    assert set(calls[2:]) == {"flush out", "flush job", f"flush {tmp_path.name.rpartition('-')[2]}"}


@pytest.mark.parametrize("damage", ["bit", "short", "gone", "seal gone", "seal torn"])
def test_a_sealed_folder_tells_every_damage(tmp_path: Path, damage: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    seal(tmp_path, ["a", "b"])
    assert is_whole(tmp_path)
    assert is_whole(tmp_path, ["b"])
    assert set(sealed(tmp_path)) == {"a", "b"}
    content = bytearray((tmp_path / "b").read_bytes())
    content[500] ^= 4
    match damage:
        case "bit":
            (tmp_path / "b").write_bytes(content)
        case "short":
            (tmp_path / "b").write_bytes(content[:-1])
        case "gone":
            (tmp_path / "b").unlink()
        case "seal gone":
            (tmp_path / SEAL_FILE).unlink()
        case "seal torn":
            (tmp_path / SEAL_FILE).write_bytes(b"\0" * 100)
    assert not is_whole(tmp_path)
    assert is_whole(tmp_path, ["a"]) is (not damage.startswith("seal"))
    assert not is_whole(tmp_path, ["c"])


def test_a_full_disk_is_seen_behind_other_errors() -> None:
    outer = RuntimeError("could not")
    outer.__cause__ = OSError(errno.ENOSPC, "full")
    assert is_no_room(outer)
    assert not is_no_room(OSError(errno.EACCES, "no"))
    assert is_no_room(OSError(errno.EDQUOT, "quota"))
