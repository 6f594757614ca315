"""`sagehound export` from the shell, beside a plain script that writes the same network with the format's own library.

Ours writes decoding's counterpart into the graph, a card and classify.py, runs that on 100 pictures in a process of its
own and compares the answers; the script only builds the network and writes it. Both include the start of Python.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.heads import Cost, cost_of
from tests.benchmarks.pictures import dataset

PICTURES = 200
BUILD = """
import sys, timm, torch
network = timm.create_model("tf_efficientnet_lite0", num_classes=5).eval()
example, out = torch.zeros(1, 3, 224, 224), sys.argv[1]
"""
PLAIN = {
    "onnx": "torch.onnx.export(network, (example,), out, dynamo=True)",
    "openvino": "import openvino as ov; ov.save_model(ov.convert_model(network, example_input=example), out + '.xml')",
    "torchscript": "torch.jit.trace(network, example).save(out)",
    "torch": "torch.export.save(torch.export.export(network, (example,)), out + '.pt2')",
}


def main() -> None:
    """Print the table."""
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        home = Path(place)
        _sagehound(home, "train", str(pictures), "--name", "one", "--no-debugger")
        rows = []
        for name, plain in PLAIN.items():
            ours = _sagehound(home, "export", "one", "--format", name, "-o", str(home / name))
            theirs = cost_of([sys.executable, "-W", "ignore", "-c", BUILD + plain, str(home / f"plain-{name}")])
            rows.append((name, *map(str, _cells(ours, theirs))))
    print_table(
        ("format", "export, checked on pictures", "plain script", "times as long", "processor time of both"), rows
    )


def _cells(ours: Cost, theirs: Cost) -> tuple[Any, ...]:
    return (
        f"{ours.wall:.1f} s",
        f"{theirs.wall:.1f} s",
        f"{ours.wall / theirs.wall:.2f}x",
        f"{ours.cpu:.1f} s and {theirs.cpu:.1f} s",
    )


def _sagehound(home: Path, *words: str) -> Cost:
    return cost_of([sys.executable, str(ROOT / "__main__.py"), *words], {"SAGEHOUND_HOME": str(home)})


if __name__ == "__main__":
    main()
