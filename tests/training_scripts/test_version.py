"""Which code runs, as jobs and models keep it."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

from training_scripts.version import VERSION, code_version, content_hash

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "training_scripts.version.VERSION"}
    assert importlib.metadata.version("sagehound") == VERSION
    assert code_version() == f"{VERSION}+{content_hash(ROOT / 'training_scripts')}"


def test_the_hash_follows_texts_and_paths_but_not_line_ends(tmp_path):
    for name, text in (("a.py", b"x = 1\n"), ("sub/b.py", b"y = 2\n"), ("notes.txt", b"z")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    first = content_hash(tmp_path)
    assert len(first) == 8
    (tmp_path / "a.py").write_bytes(b"x = 1\r\n")
    (tmp_path / "notes.txt").write_bytes(b"other")
    assert content_hash(tmp_path) == first
    (tmp_path / "a.py").write_bytes(b"x = 2\n")
    changed = content_hash(tmp_path)
    assert changed != first
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    assert content_hash(tmp_path) not in (first, changed)
