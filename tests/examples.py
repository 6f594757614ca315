"""Make docs/examples again: reports of real jobs on the sample dataset. Run as `python -m tests.examples`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from core.paths import ROOT

FOLDER = ROOT / "docs" / "examples"
_RECORD = """
import sys, torch
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18
from torchvision.transforms.v2 import Compose, Resize, CenterCrop, PILToTensor, ToDtype
steps = [Resize(64), CenterCrop(64), PILToTensor(), ToDtype(torch.float32, scale=True)]
pictures = ImageFolder(sys.argv[1], Compose(steps))
network = resnet18(num_classes=len(pictures.classes))
optimizer, loss_fn = torch.optim.SGD(network.parameters(), lr=0.01), torch.nn.CrossEntropyLoss()
with profile(activities=[ProfilerActivity.CPU], schedule=schedule(wait=0, warmup=1, active=6, repeat=1),
             on_trace_ready=tensorboard_trace_handler(sys.argv[2], "worker", use_gzip=True),
             profile_memory=True) as recorder:
    for _, (inputs, labels) in zip(range(7), DataLoader(pictures, batch_size=16, shuffle=True)):
        optimizer.zero_grad()
        loss_fn(network(inputs), labels).backward()
        optimizer.step()
        recorder.step()
"""


def main() -> None:
    """Train, search and record, then write the reports."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sagehound-examples-") as home:

        def sagehound(*arguments: str) -> None:
            command = [sys.executable, str(ROOT / "__main__.py"), *arguments]
            subprocess.run(command, check=True, env={**os.environ, "SAGEHOUND_HOME": home}, stdout=subprocess.DEVNULL)

        sagehound("train", "sample", "--name", "sample", "--static", "num_epochs=10")
        sagehound("train", "sample", "--name", "too-fast", "--static", "num_epochs=10", "learning_rate=50")
        sagehound("tune", "sample", "--name", "search", "--max-jobs", "12")
        for suffix in ("html", "pdf"):
            sagehound("report", "sample", "-o", str(FOLDER / f"training-report.{suffix}"))
        sagehound("report", "too-fast", "-o", str(FOLDER / "root-cause.html"))
        sagehound("report", "sample", "--compare", "too-fast", "-o", str(FOLDER / "comparison.html"))
        sagehound("report", "search", "-o", str(FOLDER / "search-report.html"))
        traces = Path(home) / "traces" / "resnet18"
        pictures = ROOT / "resources" / "sample" / "clipart" / "train"
        subprocess.run([sys.executable, "-c", _RECORD, str(pictures), str(traces)], check=True)
        sagehound("report", str(traces), "-o", str(FOLDER / "torch-profiler-report.html"))


if __name__ == "__main__":
    main()
