"""Damage on the disk of a home that has trained: answers stay what they were, or it is said why there is none."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from core.paths import ROOT
from tests.reliability.lab import Tally, draw_pictures

KINDS = (
    "features/*/features.f32",
    "features/*/rows.index",
    "features/*/backbone.pth",
    "features/*/forward.xml",
    "features/*/forward.bin",
    "features/*/seal.json",
    "converted/*/model.bin",
    "converted/*/model.xml",
    "jobs/first/model.tar.gz",
    "jobs/first/artifact/model.pth",
    "jobs/first/artifact/model.json",
    "jobs/first/job.json",
    "sagehound.sqlite3",
    "settings.json",
    "datasets/*.json",
    "datasets/scans.sqlite3",
)
TRAIN = ("--static", "num_epochs=3", "--seed", "1", "--no-debugger")


def run(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Train once; then spoil one file of a copy of the home, ask for what is known, and train the same again."""
    chance, tally = random.Random(seed), Tally("damage on the disk of a home")
    pictures, home = draw_pictures(place / "pictures"), place / "home"
    loss, label = _train(home, pictures, "first"), _classify(home, pictures)
    assert loss is not None
    assert label is not None
    said = 0
    for number in range(attempts):
        copy = place / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        kind = KINDS[number % len(KINDS)]
        file = next(iter(sorted(copy.glob(kind))), None)
        if file is None:
            continue
        _spoil(file, chance)
        again, answer = _train(copy, pictures, "second"), _classify(copy, pictures)
        problems = []
        if again != loss:
            problems.append(f"{kind}: the loss is {again} and was {loss}")
        if answer not in (label, None):
            problems.append(f"{kind}: the answer is {answer} and was {label}")
        said += answer is None
        tally.add(problems)
    tally.note = f"every training gave the same loss; {said} models were refused in a sentence"
    return tally


def _spoil(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    at = chance.randrange(max(len(content), 1))
    match chance.randrange(3):
        case 0:
            content[at] ^= 1 << chance.randrange(8)
        case 1:
            page = at // 4096 * 4096
            content[page : page + 4096] = bytes(len(content[page : page + 4096]))
        case _:
            del content[at:]
    file.write_bytes(content)


def _program(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SAGEHOUND_HOME": str(home)}
    command = [sys.executable, str(ROOT / "__main__.py"), *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if "Traceback" in done.stderr:
        raise AssertionError(done.stderr[-600:])
    return done


def _train(home: Path, pictures: Path, name: str) -> float | None:
    done = _program(home, "train", str(pictures), "--name", name, *TRAIN)
    return None if done.returncode else float(json.loads(done.stdout)["metrics"]["Average loss"])


def _classify(home: Path, pictures: Path) -> tuple[str, float] | None:
    """The answer of the first job, rounded; None where it is refused."""
    done = _program(home, "classify", str(pictures / "test" / "red" / "0.png"), "--model", "first", "--top", "1")
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    best = found[0] if isinstance(found, list) else found
    return best["label"], round(best["probability"], 4)
