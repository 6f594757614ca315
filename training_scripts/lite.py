"""EfficientNet-Lite without its classifier, in plain torch.

The networks of github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite: EfficientNet without squeeze
and excitation, with ReLU6, whose stem, head, first and last stage keep their size in the wider and deeper ones. They
are written here, and not taken from a library, because a training job and a prediction start seconds sooner without
one. Tests hold their features against timm's.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = 1280
# (expansion, kernel, stride, channels, repeats) of each stage: EfficientNet-B0 in table 1 of arXiv 1905.11946.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_RENAMED = (
    (re.compile(r"^_conv_stem\."), "conv_stem."),
    (re.compile(r"^_bn0\."), "bn_stem."),
    (re.compile(r"^_conv_head\."), "conv_head."),
    (re.compile(r"^_bn1\."), "bn_head."),
    (re.compile(r"^_blocks\.(\d+)\._expand_conv\."), r"blocks.\1.expand.0."),
    (re.compile(r"^_blocks\.(\d+)\._bn0\."), r"blocks.\1.expand.1."),
    (re.compile(r"^_blocks\.(\d+)\._depthwise_conv\."), r"blocks.\1.depthwise.0."),
    (re.compile(r"^_blocks\.(\d+)\._bn1\."), r"blocks.\1.depthwise.1."),
    (re.compile(r"^_blocks\.(\d+)\._project_conv\."), r"blocks.\1.project.0."),
    (re.compile(r"^_blocks\.(\d+)\._bn2\."), r"blocks.\1.project.1."),
)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        padding = []
        for length in (int(x.shape[-1]), int(x.shape[-2])):  # plain numbers: a converter then merges pad and filter
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding))


def _rounded(channels: float) -> int:
    """Return the nearest multiple of 8, at least 8, that is not more than 10 % below."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, groups=groups, bias=False)
    return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a shortcut where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        self.expand = nn.Sequential()
        if expansion > 1:
            self.expand = nn.Sequential(_conv(inputs, hidden, 1), _norm(hidden), nn.ReLU6(inplace=True))
        self.depthwise = nn.Sequential(
            _conv(hidden, hidden, kernel, stride, groups=hidden), _norm(hidden), nn.ReLU6(inplace=True)
        )
        self.project = nn.Sequential(_conv(hidden, outputs, 1), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """(N, 3, H, W) -> (N, 1280): pooled features. `width` and `depth` are factors of Lite0's channels and blocks."""

    def __init__(self, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        self.conv_stem = _conv(3, 32, 3, 2)
        self.bn_stem = _norm(32)
        blocks: list[nn.Module] = []
        channels = 32
        for stage, (expansion, kernel, stride, base, repeats) in enumerate(_STAGES):
            outputs = _rounded(base * width)
            fixed = stage in (0, len(_STAGES) - 1)
            for repeat in range(repeats if fixed else math.ceil(repeats * depth)):
                blocks.append(InvertedResidual(channels, outputs, expansion, kernel, stride if repeat == 0 else 1))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = _conv(channels, FEATURES, 1)
        self.bn_head = _norm(FEATURES)
        self.act_stem, self.act_head = nn.ReLU6(inplace=True), nn.ReLU6(inplace=True)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return pooled features of normalised pictures."""
        x = self.blocks(self.act_stem(self.bn_stem(self.conv_stem(x))))
        pooled: Tensor = self.pool(self.act_head(self.bn_head(self.conv_head(x))))
        return pooled


def rename(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state_dict of the bundled weights under this network's names, without its classifier."""
    renamed = {}
    for key, value in state.items():
        if key.startswith(("_fc.", "classifier.")):
            continue
        for pattern, replacement in _RENAMED:
            key = pattern.sub(replacement, key)
        renamed[key] = value
    return renamed
