"""A command's options are read without those of all the others, and are the same."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from core.cli import main
from core.paths import ROOT


def options_of(parser: argparse.ArgumentParser, command: str) -> str:
    action = next(item for item in parser._actions if isinstance(item, argparse._SubParsersAction))
    return str(action.choices[command].format_help())


@pytest.mark.parametrize("command", sorted(main.COMMANDS))
def test_a_command_has_the_same_options_alone(command):
    assert options_of(main.build_parser(command), command) == options_of(main.build_parser(), command)


def test_what_classify_must_not_wait_for_is_not_imported():
    code = (
        "import sys; from core.cli.main import build_parser; build_parser('classify');"
        "print([name for name in ('numpy', 'core.cli.launch_options', 'torch', 'boto3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
