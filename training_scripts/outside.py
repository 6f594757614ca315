"""JSON that came from elsewhere: another program's, an endpoint's, a log line, a file that a disk spoilt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .regular_files import read_regular

UNUSABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""What reading such JSON, and taking numbers and texts from it, may raise: it is not there, or says something else."""


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        ValueError: it is none, or nested more deeply, or with more digits, than anything that was meant.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:  # Python's says how a program could lift the limit
        raise ValueError("a number in it has thousands of digits") from error


def read_json(file: Path) -> Any:
    """Return what a JSON file says.

    Raises:
        OSError: it cannot be read.
        ValueError: see `parse_json`.
    """
    return parse_json(read_regular(file))
