"""What the two pages must not import before they are needed."""

from __future__ import annotations

import subprocess
import sys

from core.paths import ROOT

_CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import gui.jobs.jobs_tab, gui.tuning.tuning_tab
heavy = {"torch", "torchvision", "timm", "openvino", "optuna", "sagemaker", "boto3", "matplotlib", "pyqtgraph"}
print(", ".join(sorted(heavy & set(sys.modules))))
"""


def test_the_pages_import_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, str(ROOT)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
