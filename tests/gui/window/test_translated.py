"""The window in another language: nothing that people read stays as it was, but names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from core.jobs.specs import Strategy
from core.paths import ROOT
from training_scripts.backbones import BACKBONES
from training_scripts.heads import HEADS

NAMES = (
    *(re.escape(known.title) for known in (*BACKBONES.values(), *HEADS.values())),
    *map(str, Strategy),
    r"[a-z0-9]+([_:.][a-z0-9_]+)*",  # hyperparameters, metrics, instance types
    r"Train|Valid|Test",  # splits are channels
    r"ImageNet|Average loss",
    r"(<span|epoch=|Average loss: |\w+=\().*",  # a line of the script, and the regex that finds a value in it
    r"Scroll (Left|Right)",  # Qt's own
)


def test_every_page_is_in_the_language_of_the_catalogue(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "tests.gui.window.pseudo_language"],
        cwd=ROOT,
        env=os.environ | {"SAGEHOUND_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    left = [text for text in json.loads(ended.stdout) if not re.fullmatch("|".join(NAMES), text, re.DOTALL)]
    assert not left
