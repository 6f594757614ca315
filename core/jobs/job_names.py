"""Names of jobs that people can read and SageMaker takes."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from collections.abc import Collection

TUNING_NAME_LENGTH = 32


def unique_name(hint: str) -> str:
    """Return a job's name made of `hint` (a dataset's folder, say), the local day and time, and a random end.

    At most 32 characters, so that it can name a tuning job; two launches in one second do not collide.
    """
    tail = f"{time.strftime('%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", hint).strip("-").lower() or "job"
    return f"{stem[: TUNING_NAME_LENGTH - len(tail) - 1].rstrip('-')}-{tail}"


def slug(title: str, taken: Collection[str] = ()) -> str:
    """Return the job's name for what a person calls it, one that is not `taken`; "" when no letter or digit is left.

    Accents are dropped, and all that SageMaker takes in no name becomes a hyphen. At most 32 characters.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", plain).strip("-")[:TUNING_NAME_LENGTH].rstrip("-")
    name, number = stem, 1
    while name and name in taken:
        number += 1
        name = f"{stem[: TUNING_NAME_LENGTH - len(str(number)) - 1].rstrip('-')}-{number}"
    return name
