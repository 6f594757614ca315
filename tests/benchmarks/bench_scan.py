"""Scan of 20,000 generated pictures against loops over Pillow and torchvision's ImageFolder.

Pillow's `verify` reads a JPEG's header and no more, so a loop of it neither finds a cut-off JPEG nor says whether two
files are the same; the loops that do the same work are below it. A scan knows every picture by the SHA-256 of its
content, so it can be no faster than reading and hashing all bytes on all cores, which is measured too: where that limit
is less than three times as fast as Pillow's loop over the headers, so is every scan.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from core.dataset import scan
from tests.benchmarks.harness import Pair, Sample, paired, print_table

FILES = 20_000
FULL_DECODE = 2_000  # the slow rivals see a tenth of the files, and so do we beside them
CLASSES = 10
REACH, REACH_SECOND_S = 3.0, 1.0
SIZES = ((640, 480), (500, 375), (800, 600), (320, 240), (224, 224))


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        many, fewer = generate(home / "many", FILES), generate(home / "fewer", FULL_DECODE)
        kib = sum(file.stat().st_size for file in many) / FILES / 1024
        print(f"{FILES:,} files, {kib:.0f} KiB on average, in the page cache; {os.cpu_count()} cores.\n")
        cache = home / "scans.sqlite3"
        scan(home / "many", cache=cache)
        all_files, few_files = f"scan, {FILES:,} files", f"scan, {FULL_DECODE:,} files"
        rows = [
            _row(all_files, "Pillow verify (headers only)", home / "many", lambda: _each(many, _verify)),
            _row(all_files, "Pillow verify + sha256", home / "many", lambda: _each(many, _verify_and_hash)),
            _row(all_files, "the limit: read + sha256, all cores", home / "many", lambda: _bare(many)),
            _row(few_files, "Pillow verify + load (finds cut-off files)", home / "fewer", lambda: _each(fewer, _load)),
            _row(few_files, "torchvision ImageFolder, one pass", home / "fewer", lambda: _image_folder(home / "fewer")),
            _row(
                f"second {all_files}",
                "Pillow verify (headers only)",
                home / "many",
                lambda: _each(many, _verify),
                cache,
            ),
        ]
    headers = ("this", "against", "this takes", "against takes", "times faster", "CPU time, this", "against", "reach")
    print_table(headers, rows)


def generate(root: Path, count: int) -> list[Path]:
    """Write `count` distinct JPEG (four of five) and PNG files; returns their paths."""
    rng = np.random.default_rng(0)
    bases = [_base(rng, SIZES[at % len(SIZES)], at % 5 == 4) for at in range(40)]
    paths = []
    for at in range(count):
        data, suffix = bases[at % len(bases)]
        folder = root / f"class{at % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{at:06d}{suffix}"
        path.write_bytes(_stamped(data, f"{at:08d}".encode()))
        paths.append(path)
    return paths


def _base(rng: np.random.Generator, size: tuple[int, int], png: bool) -> tuple[bytes, str]:
    width, height = size
    coarse = rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), dtype=float)
    noisy = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "PNG" if png else "JPEG", quality=88)
    return buffer.getvalue(), ".png" if png else ".jpg"


def _stamped(data: bytes, text: bytes) -> bytes:
    """The same picture with a comment of its own, so that every file's content differs."""
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text + data[2:]
    chunk = b"tEXtComment\0" + text
    return data[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def _row(
    this: str, rival_name: str, root: Path, rival: Callable[[], object], cache: Path | None = None
) -> tuple[str, ...]:
    cpu: tuple[list[float], list[float]] = ([], [])
    pair = paired(_clocked(lambda: scan(root, cache=cache), cpu[0]), _clocked(rival, cpu[1]))
    times = *(str(Sample(tuple(of[1:]))) for of in cpu), _verdict(pair, rival_name, cache is not None)
    return this, rival_name, str(pair.ours), str(pair.rival), pair.ratio, *times


def _verdict(pair: Pair, rival: str, second: bool) -> str:
    if second:
        return f"{REACH_SECOND_S:g} s: {'met' if pair.ours.median <= REACH_SECOND_S else 'NOT MET'}"
    if "sha256" in rival:
        return "-"  # they show where the time goes
    return f"{REACH:g}x: {'met' if median(pair.ratios) >= REACH else 'NOT MET'}"


def _clocked(work: Callable[[], object], cpu: list[float]) -> Callable[[], object]:
    """`work`, which notes the CPU seconds of all its threads."""

    def clocked() -> None:
        began = time.process_time()
        work()
        cpu.append(time.process_time() - began)

    return clocked


def _bare(files: list[Path]) -> None:
    """What a content hash costs at least."""
    chunks = [files[at : at + 64] for at in range(0, len(files), 64)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda chunk: [hashlib.sha256(file.read_bytes()).digest() for file in chunk], chunks):
            pass


def _each(files: list[Path], work: Callable[[Path], object]) -> None:
    for file in files:
        work(file)


def _verify(file: Path) -> None:
    with Image.open(file) as picture:
        picture.verify()


def _verify_and_hash(file: Path) -> str:
    _verify(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _load(file: Path) -> None:
    _verify(file)
    with Image.open(file) as picture:
        picture.load()


def _image_folder(root: Path) -> None:
    from torchvision.datasets import ImageFolder

    for _ in ImageFolder(str(root)):
        pass


if __name__ == "__main__":
    main()
