"""Small real datasets: every picture is a real file with its own content."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.dataset.records import Picture, Scan

MakeDataset = Callable[..., Path]


def encode(number: int, format_: str = "JPEG", size: tuple[int, int] = (24, 16)) -> bytes:
    """A picture that no other number gives."""
    pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_)
    return buffer.getvalue()


@pytest.fixture
def picture_bytes() -> Callable[..., bytes]:
    return encode


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """`make_dataset({"train/cat": 3, "train/dog": 2})` writes that many pictures into each folder."""

    def make(counts: Mapping[str, int], name: str = "data", first: int = 0) -> Path:
        root, number = tmp_path / name, first
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for at in range(count):
                number += 1
                (root / folder / f"{at:03d}.jpg").write_bytes(encode(number))
        return root

    return make


@pytest.fixture
def make_scan() -> Callable[..., Scan]:
    """A scan without files, from (label, split, content) triples; paths follow from the order given."""

    def make(triples: list[tuple[str, str | None, int]], prefix: str = "") -> Scan:
        pictures = [
            Picture(
                f"{prefix}{split + '/' if split else ''}{label}/{at:04d}.jpg",
                label,
                split,
                100,
                24,
                16,
                "JPEG",
                hashlib.sha256(str(content).encode()).hexdigest(),
                0,
            )
            for at, (label, split, content) in enumerate(triples)
        ]
        return Scan(
            root=Path("/nowhere"),
            layout="splits" if any(split for _, split, _ in triples) else "classes",
            classes=tuple(sorted({label for label, _, _ in triples})),
            pictures=tuple(sorted(pictures, key=lambda picture: picture.path)),
            unreadable=(),
            problems=(),
        )

    return make


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder that somebody without special rights owns, and that somebody as the user of this test."""
    if os.name != "posix":
        pytest.skip("permissions of files are POSIX's")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() != 0:
            yield folder
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)
