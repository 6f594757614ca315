"""Workers are started the same way by an interpreter and by a frozen program."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import python
from core.paths import ROOT

SCRIPT = "import sys\nprint('script', *sys.argv[1:], __name__)\nsys.exit(4)\n"


@pytest.fixture(params=["interpreter", "frozen"])
def started(request, tmp_path, monkeypatch) -> str:
    """Return which program starts the workers; a frozen one has an executable that is the program itself."""
    if request.param == "frozen":
        program = tmp_path / "sagehound"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "__main__.py"}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        monkeypatch.setattr(sys, "executable", str(program))
    return request.param


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a frozen program is a shell script")
def test_modules_scripts_and_code_run_and_end_with_their_status(started, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    assert _run(python.script_command(tmp_path / "script.py", "a b", "--c"), tmp_path) == (4, "script a b --c __main__")
    assert _run(python.code_command("import sys; print(sys.argv[1:]); sys.exit(5)", "x"), tmp_path) == (5, "['x']")
    assert _run(python.module_command("core.system_libraries"), tmp_path)[0] == 0
