"""Makes a whole model folder of a head and the backbone behind it: `python assemble.py HEAD TO`.

A trial of a search over frozen features, or a single training over them, leaves its head alone (saving.py); what an
archive holds besides is the same for all of a search.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent)] + [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]

import os
import shutil
import tempfile

import torch

from training_scripts.artifact import CARD_FILE, HEAD_FILE, SHARED_FILE, WEIGHTS_FILE, shared_backbone, write_code
from training_scripts.durable import is_whole, seal, sha256_of
from training_scripts.job import JobError
from training_scripts.saving import with_backbone
from training_scripts.unknown import KNOWN_FILE
from training_scripts.weights import write_state


def assemble(head: Path, target: Path) -> Path:
    """Make the folder `target`, whole or not at all and sealed, of the model folder `head`; what was there is replaced.

    Raises:
        JobError: the head or its backbone is damaged or gone.
    """
    if not is_whole(head, (HEAD_FILE, CARD_FILE, SHARED_FILE)):
        raise JobError(f"The model in {head} is damaged on the disk.")
    backbone, sha256 = shared_backbone(head)
    if not backbone.is_file() or sha256_of(backbone) != sha256:
        raise JobError(f"The backbone of the model in {head} is damaged or gone ({backbone}).")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as place:
        inside = Path(place) / "model"
        inside.mkdir()
        state = torch.load(head / HEAD_FILE, map_location="cpu", weights_only=True)
        write_state(inside / WEIGHTS_FILE, with_backbone(state, backbone))
        for name in (CARD_FILE, KNOWN_FILE):
            if (head / name).is_file():
                shutil.copyfile(head / name, inside / name)
        write_code(inside)
        seal(inside, [path.relative_to(inside).as_posix() for path in sorted(inside.rglob("*")) if path.is_file()])
        shutil.rmtree(target, ignore_errors=True)
        os.replace(inside, target)
    return target


def main() -> int:
    """Assemble; 1 after a sentence on stderr."""
    try:
        assemble(Path(sys.argv[1]), Path(sys.argv[2]))
    except (JobError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
