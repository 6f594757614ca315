"""What curves of other tools are called: a loss, an accuracy or a learning rate, of training or of validation."""

from __future__ import annotations

import re
from functools import lru_cache

STEPS = ("step", "global_step", "_step", "trainer/global_step", "epoch", "iteration", "iter")
"""What a column of steps is called, the surest first."""
_VALID = re.compile(r"(?<![a-z])(val|valid|validation|eval|evaluation|dev|test)(?![a-z])")
_LOSS = re.compile(r"(?<![a-z])(loss|nll|cross_entropy|crossentropy)(?![a-z])")
_ACCURACY = re.compile(r"(?<![a-z])(acc|accuracy|top1|accuracy_top1)(?![a-z])")
_RATE = re.compile(r"(?<![a-z])(lr|learning_rate)(?![a-z])")


@lru_cache(maxsize=10_000)
def meaning_of(name: str) -> str:
    """Return which of train_loss, valid_loss, train_accuracy, valid_accuracy and learning_rate a curve is, or ""."""
    words = re.sub(r"[-\s]", "_", name.lower())
    kind = "loss" if _LOSS.search(words) else "accuracy" if _ACCURACY.search(words) else ""
    if kind:
        return f"{'valid' if _VALID.search(words) else 'train'}_{kind}"
    return "learning_rate" if _RATE.search(words) else ""
