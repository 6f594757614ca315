from __future__ import annotations

from pathlib import Path

from core.jobs.folder_search import folders_below


def _make(top: Path, *names: str) -> None:
    for name in names:
        (top / name).mkdir(parents=True)


def test_every_depth_is_looked_into_the_nearest_first(tmp_path: Path) -> None:
    _make(tmp_path, "b", "a/c/d/e/f/g/h/i/j")
    met = [path.relative_to(tmp_path).as_posix() for path in folders_below(tmp_path)]
    assert met[:4] == [".", "a", "b", "a/c"]
    assert met[-1] == "a/c/d/e/f/g/h/i/j"


def test_folders_of_some_names_and_links_are_left_out(tmp_path: Path) -> None:
    _make(tmp_path, "a/events/1", "a/kept")
    (tmp_path / "a" / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "file").write_text("", encoding="utf-8")
    met = [path.name for path in folders_below(tmp_path, ("events",))]
    assert met == [tmp_path.name, "a", "kept"]


def test_the_search_ends_after_so_many_folders(tmp_path: Path) -> None:
    _make(tmp_path, *(f"{number:03}" for number in range(30)))
    assert len(list(folders_below(tmp_path, most=10))) == 10
    assert list(folders_below(tmp_path / "none")) == [tmp_path / "none"]
