"""What is known of a model beside its folder: how it was judged, on what, and pictures to compare answers on."""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from core.models.export.model_card import ModelFacts
from core.paths import ROOT
from core.predict.evaluate import read_evaluation

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest

_SPLITS = ("test", "valid", "train")


def facts_of(job_folder: Path | None, manifest: Manifest | None, job: str = "") -> ModelFacts:
    """Return what the job that trained a model kept, and its dataset's counts; what is not known stays empty."""
    found = {}
    for split in _SPLITS[:2] if job_folder is not None else ():
        assert job_folder is not None
        if (evaluation := read_evaluation(job_folder / "output" / "data", split, job)) is not None:
            found[split] = evaluation
    counts: Counter[str] = Counter()
    if manifest is not None:
        counts = Counter({split: len(manifest.of(split)) for split in ("train", "valid", "test") if manifest.of(split)})
    return ModelFacts(found, counts, manifest.root.name if manifest is not None else "")


def some_pictures(manifest: Manifest | None, most: int) -> list[Path]:
    """Return pictures of the dataset that are there, those of test first; of the bundled sample where there is none."""
    if manifest is not None:
        entries = chain.from_iterable(manifest.of(split) for split in _SPLITS)
        here = (path for entry in entries if (path := manifest.path_of(entry)).is_file())
        if found := list(islice(here, most)):
            return found
    return sorted((ROOT / "resources" / "sample" / "clipart").rglob("*.jpg"))[:most]
