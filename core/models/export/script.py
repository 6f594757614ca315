"""What asks an exported model without Sagehound: classify.py, and the code that reads pictures as training did."""

from __future__ import annotations

import shutil
from pathlib import Path

import training_scripts
from core.models.export.formats import ExportFormat
from training_scripts.backbones import Preprocessing
from training_scripts.durable import write_text

SCRIPT_FILE = "classify.py"
READING = ("__init__.py", "backbones.py", "preprocess.py", "regular_files.py", "pictures/*.py")
"""The modules that turn a file into what the network sees; they need numpy and Pillow alone."""

_SCRIPT = '''"""Classify pictures with {file}. It needs: pip install {packages}

python classify.py PICTURE ... prints one line of JSON for each.
"""

import json
import sys
from pathlib import Path

{imports}

from training_scripts.backbones import Preprocessing
from training_scripts.preprocess import pixels

HERE = Path(__file__).resolve().parent
MODEL = HERE / "{file}"
CARD = json.loads((HERE / "model.json").read_text("utf-8"))
SEEN = Preprocessing.from_json(CARD["preprocessing"])
{load}


def classify(path):
    """Return the classes with their probabilities, the most probable first; label and probability are of the first.

    A model that can say what it does not know adds how unlike known pictures this one is, and whether that is too much.
    """
    batch = pixels(path, SEEN)[None]  # {shape} uint8, upright RGB; the rest is inside the graph
    scores, *strangeness = {call}
    ranked = sorted(zip(CARD["classes"], map(float, scores[0])), key=lambda pair: -pair[1])
    found = {{"label": ranked[0][0], "probability": ranked[0][1], "classes": dict(ranked)}}
    if strangeness and CARD.get("unknown"):
        found["strangeness"] = float(np.ravel(strangeness[0])[0])
        found["unknown"] = found["strangeness"] > CARD["unknown"]["threshold"]
    return found


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps({{"picture": path, **classify(path)}}))
'''


def packages(format_: ExportFormat, preprocessing: Preprocessing) -> str:
    """Return the packages that classify.py needs, as pip is given them."""
    many = ["tifffile"] if preprocessing.channels is not None else []
    return " ".join([*format_.runs_with, "numpy", "pillow", *many])


def script(format_: ExportFormat, preprocessing: Preprocessing) -> str:
    """Return the text of classify.py for a model of this format and preprocessing."""
    return _SCRIPT.format(
        file=format_.file,
        packages=packages(format_, preprocessing),
        imports="\n".join(sorted((format_.imports, "import numpy as np"), key=_import_order)),
        load=format_.load,
        call=format_.call,
        shape=(1, *preprocessing.shape),
    )


def write_script(folder: Path, format_: ExportFormat, preprocessing: Preprocessing) -> None:
    """Write classify.py and the code that it reads pictures with into an exported folder."""
    write_text(folder / SCRIPT_FILE, script(format_, preprocessing))
    ours = Path(training_scripts.__file__).resolve().parent
    for pattern in READING:
        for file in ours.glob(pattern):
            copy = folder / "training_scripts" / file.relative_to(ours)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line.split()[1]
