"""What a trained model says of the pictures that it did not learn from: a check's best witness where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.translation import plural, tr

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TrainedAnswer:
    """What the model took a picture for, how sure it was, and what it gave the class that the picture had then."""

    predicted: str
    probability: float
    label: str = ""
    label_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainedAnswers:
    """A job's answers by SHA-256, on the valid and test pictures of its dataset version, and the backbone it saw by."""

    job: str
    backbone: str
    answers: Mapping[str, TrainedAnswer]

    def sentence(self, sha256s: Sequence[str]) -> str:
        """Return the sentence that says what a check of these pictures used of it."""
        count = sum(sha256 in self.answers for sha256 in sha256s)
        return plural(
            "Checked with {job}: its answer on the {count:,} picture that it did not learn from; for the others, heads "
            "on its features ({backbone}) that had not learned them.",
            "Checked with {job}: its answers on the {count:,} pictures that it did not learn from; for the others, "
            "heads on its features ({backbone}) that had not learned them.",
            count,
            job=self.job,
            backbone=self.backbone,
        )

    def says_so_too(self, sha256: str, name: str) -> str:
        """Return a sentence where the model took a picture for this class; "" where it did not, or learned from it."""
        answer = self.answers.get(sha256)
        if answer is None or answer.predicted != name:
            return ""
        return tr("{job}, which did not learn from it, says {name} too ({probability:.0%}).").format(
            job=self.job, name=name, probability=answer.probability
        )

    def probabilities(self, sha256s: Sequence[str], classes: Sequence[str]) -> NDArray[np.float64]:
        """Return (N, classes) probabilities; NaN in the rows of pictures that it learned from or calls no class here.

        What the job kept is the surest class and the label's: the rest is divided equally.
        """
        position = {name: number for number, name in enumerate(classes)}
        found = np.full((len(sha256s), len(classes)), np.nan)
        for row, sha256 in enumerate(sha256s):
            answer = self.answers.get(sha256)
            if answer is None or answer.predicted not in position:
                continue
            known = {answer.label: answer.label_probability} if answer.label in position else {}
            known[answer.predicted] = answer.probability
            rest = max(0.0, 1.0 - sum(known.values()))
            found[row] = rest / max(1, len(classes) - len(known))
            for name, probability in known.items():
                found[row, position[name]] = probability
            found[row] = np.maximum(found[row], 1e-6)
            found[row] /= found[row].sum()
        return found
