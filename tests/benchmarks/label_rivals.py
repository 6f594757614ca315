"""What cleanlab, cleanvision and umap-learn make of the same data, each in the rivals' own Python."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.rivals import python_with

Numbers = NDArray[Any]

_CLEANLAB = """
import json, sys, warnings
import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

warnings.filterwarnings("ignore")
data = np.load(sys.argv[1])
answer = []
for labels in data["labels"]:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = LogisticRegression(max_iter=200, C=10)
    said = cross_val_predict(model, data["values"], labels, cv=folds, method="predict_proba")
    answer.append(np.flatnonzero(find_label_issues(labels, said, n_jobs=1)).tolist())
print(json.dumps(answer))
"""

_CLEANVISION = """
import contextlib, json, sys, time
with contextlib.redirect_stdout(sys.stderr):
    from cleanvision import Imagelab
    began = time.process_time()
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, n_jobs=1)
    spent = time.process_time() - began
sets = [found for kind in ("near_duplicates", "exact_duplicates") for found in lab.info[kind]["sets"]]
print(json.dumps({"sets": sets, "seconds": spent}))
"""

_UMAP = """
import json, sys, time, warnings
import numpy as np
warnings.filterwarnings("ignore")
import umap
matrix = np.load(sys.argv[1])["values"]
umap.UMAP(metric="cosine", random_state=0).fit_transform(matrix[:200])  # compiles
began, by_clock = time.process_time(), time.perf_counter()
places = umap.UMAP(metric="cosine", random_state=0).fit_transform(matrix)
seconds = [time.process_time() - began, time.perf_counter() - by_clock]
print(json.dumps({"places": places.tolist(), "seconds": seconds}))
"""


def cleanlab_suspects(values: Numbers, labels: Sequence[Numbers]) -> list[list[int]] | None:
    """Return the rows that cleanlab calls wrong, for each way to label `values` (N, dim); None without cleanlab."""
    found: list[list[int]] | None = _ask("cleanlab", _CLEANLAB, values=values, labels=np.stack(labels))
    return found


def cleanvision_copies(folder: Path) -> tuple[set[frozenset[str]], float] | None:
    """Return the pairs that cleanvision calls copies of each other, relative to the folder, and its seconds."""
    python = python_with("cleanvision")
    if python is None:
        return None
    answer = _answer([python, "-c", _CLEANVISION, str(folder)])
    sets = [[Path(path).relative_to(folder).as_posix() for path in found] for found in answer["sets"]]
    pairs = {frozenset((one, other)) for found in sets for one in found for other in found if one < other}
    return pairs, float(answer["seconds"])


def umap_places(values: Numbers) -> tuple[Numbers, float, float] | None:
    """Return umap-learn's places (N, 2) of rows, its seconds of processor and those by the clock; None without it."""
    answer = _ask("umap", _UMAP, values=values)
    return None if answer is None else (np.array(answer["places"], np.float32), *answer["seconds"])


def _ask(module: str, script: str, **arrays: Numbers) -> Any:
    python = python_with(module)
    if python is None:
        return None
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        np.savez(Path(place) / "data.npz", **arrays)
        return _answer([python, "-c", script, str(Path(place) / "data.npz")])


def _answer(command: list[str]) -> Any:
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
