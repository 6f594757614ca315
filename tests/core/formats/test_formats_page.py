"""docs/FORMATS.md and the command line say what the registry says."""

from __future__ import annotations

from core.cli.main import build_parser
from core.formats.registry import WRITTEN
from tests.core.formats.formats_page import PAGE, page


def test_the_page_is_made_from_the_registry() -> None:
    """`python -m tests.core.formats.formats_page` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_help_of_convert_names_every_format_that_is_written() -> None:
    commands = build_parser()._subparsers
    assert commands is not None
    convert = commands._group_actions[0].choices["convert"]  # type: ignore[index, call-overload]
    assert ",".join(WRITTEN) in "".join(convert.format_help().split())  # argparse breaks lines at hyphens
