"""JSON objects in files: written whole or not at all, empty where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training_scripts.durable import write_text
from training_scripts.outside import parse_json


def write_json(file: Path, data: Any, flushed: bool = True) -> None:
    """Write JSON, whole or not at all."""
    write_text(file, json.dumps(data), flushed)


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON object from a file; empty if there is none."""
    try:
        data = parse_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
