"""Damaged pictures and archives: each is read, or refused in a sentence, within seconds; none ends the process."""

from __future__ import annotations

import io
import random
import resource
import subprocess
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin

from core.paths import ROOT
from tests.reliability.lab import Tally
from training_scripts.artifact import package, unpack
from training_scripts.durable import sealed
from training_scripts.job import JobError

LONGEST_S = 20
MEMORY = 4 << 30


def archives(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Damage a model archive: it is refused, or what is unpacked is what was packed."""
    chance, tally = random.Random(seed), Tally("damaged model archive")
    folder = place / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "model.pth").write_bytes(chance.randbytes(200_000))
    (folder / "model.json").write_text('{"format": 1}', encoding="utf-8")
    (folder / "code" / "inference.py").write_text("x = 1\n", encoding="utf-8")
    whole = package(folder, place / "whole.tar.gz").read_bytes()
    good, damaged = sealed(unpack(place / "whole.tar.gz", place / "good")), place / "damaged.tar.gz"
    refused = 0
    for _ in range(attempts):
        damaged.write_bytes(mutated(whole, chance))
        try:
            found = sealed(unpack(damaged, place / "out"))
            tally.add([] if found == good else ["other content, without a word"])
        except JobError:
            refused += 1
            tally.add([])
        except Exception as error:
            tally.add([f"{type(error).__name__}: {error}"])
    tally.note = f"{refused} refused, {tally.survived - refused} unpacked as they were packed"
    return tally


def pictures(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Damage pictures of every common format and have them read as training and predictions read them."""
    chance, tally = random.Random(seed), Tally("damaged picture")
    place.mkdir(parents=True, exist_ok=True)
    wholes = list(samples().items())
    files = []
    for number in range(attempts):
        suffix, content = wholes[number % len(wholes)]
        file = place / f"{number:05d}.{suffix}"
        file.write_bytes(mutated(content, chance))
        files.append(file)
    counts = {"read": 0, "refused": 0}
    while files:
        done = _read(files, tally, counts)
        files = files[done:]
    tally.note = f"{counts['read']} read, {counts['refused']} refused in a sentence"
    return tally


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Bits, pages, cuts, repetitions and strange bytes, anywhere."""
    spoilt = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(max(len(spoilt), 1))
        match chance.randrange(6):
            case 0 | 1:
                if spoilt:
                    spoilt[at % len(spoilt)] ^= 1 << chance.randrange(8)
            case 2:
                spoilt[at : at + 4096] = bytes(len(spoilt[at : at + 4096]))
            case 3:
                del spoilt[at:]
            case 4:
                spoilt[at:at] = spoilt[at : at + chance.randrange(1, 2000)]
            case _:
                spoilt[at : at + 4] = chance.randbytes(4)
    return bytes(spoilt)


def samples() -> dict[str, bytes]:
    """A small picture in every common format, and in the rarer kinds of some."""
    generator = random.Random(5)
    picture = Image.frombytes("RGB", (96, 72), generator.randbytes(96 * 72 * 3)).resize((160, 120))
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", "a word " * 2000, zip=True)
    kinds: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "jpg": (picture, "JPEG", {}),
        "jpeg": (picture, "JPEG", {"progressive": True}),
        "jpe": (picture.convert("CMYK"), "JPEG", {}),
        "png": (picture, "PNG", {"pnginfo": text}),
        "apng": (picture, "PNG", {"save_all": True, "append_images": [picture.rotate(90)] * 3}),
        "gif": (picture, "GIF", {"save_all": True, "append_images": [picture.rotate(90)] * 3}),
        "bmp": (picture, "BMP", {}),
        "tif": (picture, "TIFF", {"compression": "tiff_lzw"}),
        "tiff": (picture.convert("I;16") if picture.mode == "I" else picture.convert("L"), "TIFF", {}),
        "webp": (picture, "WEBP", {}),
        "ppm": (picture, "PPM", {}),
    }
    found = {}
    for suffix, (image, form, options) in kinds.items():
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        found[suffix] = buffer.getvalue()
    return found


_READER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from core.dataset.probe import probe
from training_scripts.backbones import BACKBONES
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.preprocess import pixels
preprocessing = BACKBONES["efficientnet_lite0"].preprocessing
for line in sys.stdin:
    file = Path(line.rstrip("\\n"))
    try:
        probe(file)
        pixels(file.read_bytes(), preprocessing)
        print("read", flush=True)
    except PictureUnreadable as error:
        print("refused", " ".join(str(error).split())[:200], flush=True)
    except Exception as error:
        print("broke", type(error).__name__, " ".join(str(error).split())[:200], flush=True)
"""


def _read(files: list[Path], tally: Tally, counts: dict[str, int]) -> int:
    """Read files in a process until one ends it; returns how many were dealt with."""
    command = [sys.executable, "-c", _READER, str(ROOT)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=limit
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for number, file in enumerate(files):
            line = _ask(reader, file)
            if line.startswith(("read", "refused")):
                counts[line.split()[0]] += 1
                tally.add([])
                file.unlink()
                continue
            tally.add([f"{file.name}: {line or f'the process ended or took more than {LONGEST_S} s'}"])
            if not line:
                reader.kill()
                return number + 1
        reader.stdin.close()
    return len(files)


def _ask(reader: subprocess.Popen[str], file: Path) -> str:
    import selectors

    assert reader.stdin is not None
    assert reader.stdout is not None
    try:
        reader.stdin.write(f"{file}\n")
        reader.stdin.flush()
    except OSError:
        return ""
    with selectors.DefaultSelector() as selector:
        selector.register(reader.stdout, selectors.EVENT_READ)
        # The first one waits for the imports too.
        return reader.stdout.readline() if selector.select(LONGEST_S * 3) else ""
