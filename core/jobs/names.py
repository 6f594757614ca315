"""Names of jobs that people can read and SageMaker takes."""

from __future__ import annotations

import re
import secrets
import time

TUNING_NAME_LENGTH = 32


def unique_name(hint: str) -> str:
    """A job's name made of `hint` (a dataset's folder, say), the local day and time, and a random end.

    At most 32 characters, so that it can name a tuning job; two launches in one second do not collide.
    """
    tail = f"{time.strftime('%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", hint).strip("-").lower() or "job"
    return f"{stem[: TUNING_NAME_LENGTH - len(tail) - 1].rstrip('-')}-{tail}"
