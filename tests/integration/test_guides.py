"""The snippets of the guide for scripts run, one after another, as in a notebook."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.paths import ROOT

GUIDE = ROOT / "docs" / "guides" / "scripter.md"
# The checkout's own files stand for the installed package, whatever else is installed.
PREAMBLE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("sagehound", {init!r}, submodule_search_locations=[{root!r}])
module = sys.modules["sagehound"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_snippet_runs(tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) == 4
    program = PREAMBLE.format(init=str(ROOT / "__init__.py"), root=str(ROOT)) + "\n".join(snippets)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"SAGEHOUND_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Completed" in done.stdout
    assert "learning_rate" in done.stdout
    assert (tmp_path / "report.html").stat().st_size > 10_000
