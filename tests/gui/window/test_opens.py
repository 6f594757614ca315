"""Which arguments open the window, and which are a command's."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def sagehound(*arguments, cwd=ROOT, **environment):
    """Run the program without a display: a window that cannot open says so."""
    import os

    env = {**os.environ, **environment, "QT_QPA_PLATFORM": "xcb", "DISPLAY": ""}
    program = [sys.executable, str(ROOT / "__main__.py"), *map(str, arguments)]
    return subprocess.run(program, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("arguments", [[], ["gui"], ["FOLDER"], ["gui", "FOLDER"]])
def test_the_window_opens_with_a_folder_or_without(tmp_path, arguments):
    done = sagehound(*[tmp_path if argument == "FOLDER" else argument for argument in arguments])
    assert done.returncode == 1
    assert "display" in done.stderr.lower() or "The window needs" in done.stderr, done.stderr


def test_what_is_no_folder_is_wrong_use_in_a_sentence(tmp_path):
    done = sagehound("gui", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith(f"sagehound: There is no folder {tmp_path / 'nowhere'}.")
    assert sagehound("no-command").returncode == 2


def test_the_version_is_told():
    assert sagehound("--version").stdout.startswith("sagehound ")
