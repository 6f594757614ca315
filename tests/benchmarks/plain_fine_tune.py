"""A plain torch loop that fine-tunes the bundled network, as a notebook has it: the rival of `--mode fine_tune`.

The pictures are those of a job's channels, decoded and framed as that job sees them. What the loop does without is what
is measured: it starts from a random head, moves all weights at one rate, and keeps the last epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE
from training_scripts.data import Samples, load_channels
from training_scripts.network import build, normalise
from training_scripts.preprocess import pixels
from training_scripts.weights import find

RATE, BATCH = 1e-4, 16


def plain_fine_tune(channels: Mapping[str, Path], epochs: int, seed: int) -> float:
    """Return the accuracy on test after so many epochs over train."""
    torch.manual_seed(seed)
    preprocessing = BACKBONES[DEFAULT_BACKBONE].preprocessing
    sets = load_channels(dict(channels))
    train, test = (_tensors(sets[split]) for split in ("train", "test"))
    network = build(DEFAULT_BACKBONE, "linear", len(sets["train"].classes), find(DEFAULT_BACKBONE, "default"))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(train[1])).split(BATCH):
            if len(rows) < 2:  # batch normalisation wants two
                continue
            seen = normalise(train[0][rows], preprocessing)
            mirrored = torch.rand(len(rows)) < 0.5
            seen[mirrored] = seen[mirrored].flip(3)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(seen), train[1][rows]).backward()
            optimizer.step()
    network.eval()
    with torch.inference_mode():
        parts = [network(normalise(part, preprocessing)).argmax(1) for part in test[0].split(BATCH)]
    return float((torch.cat(parts) == test[1]).float().mean())


def _tensors(samples: Samples) -> tuple[Tensor, Tensor]:
    preprocessing = BACKBONES[DEFAULT_BACKBONE].preprocessing
    seen = np.stack([pixels(samples.file(index), preprocessing) for index in range(len(samples))])
    return torch.from_numpy(seen), torch.from_numpy(samples.labels)
