"""DINOv2's ViT-S/14 without a classifier, in plain torch: Oquab and others, 2023, arXiv 2304.07193.

A vision transformer as in Dosovitskiy and others, 2020, arXiv 2010.11929, whose residual branches are scaled (Touvron
and others, 2021, arXiv 2103.17239). Its names are those of the published state_dict. The positions it was trained with
are brought to the grid of its input when the weights are read, so the network itself takes squares of one size.
Tests hold its features against timm's.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE, PATCH = 224, 14
WIDTH, DEPTH, HEADS = 384, 12, 6
_OFFSET = 0.1
"""What is added to the grid before it is compared with that of the training, as the published code does it."""


class Attention(nn.Module):
    """Multi-head self-attention: (N, tokens, WIDTH) -> the same."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Let each token look at all."""
        count, tokens, _ = x.shape
        query, key, value = self.qkv(x).reshape(count, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(seen.transpose(1, 2).reshape(count, tokens, WIDTH))
        return result


class Scale(nn.Module):
    """A factor for each channel, which learns from almost nothing how much of a branch is added."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((WIDTH,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, WIDTH) -> the same."""
        return x * self.gamma


class MLP(nn.Module):
    """Two layers on each token by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, WIDTH) -> the same."""
        result: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


class Block(nn.Module):
    """Attention, then the layers on each token; each beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(WIDTH, eps=1e-6), Attention(), Scale()
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(WIDTH, eps=1e-6), MLP(), Scale()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, WIDTH) -> the same."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        result: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return result


class Patches(nn.Module):
    """(N, 3, H, W) -> (N, patches, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Return one token for each square of PATCH pixels, row by row."""
        result: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return result


class DinoV2Small(nn.Module):
    """(N, 3, size, size) -> (N, WIDTH): the class token after the last norm."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + (size // PATCH) ** 2, WIDTH))
        self.patch_embed = Patches()
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of normalised pictures."""
        patches = self.patch_embed(x)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        features: Tensor = self.norm(self.blocks(tokens + self.pos_embed))[:, 0]
        return features


def rename(state: dict[str, Any], size: int = SIZE) -> dict[str, Any]:
    """Return the published state_dict for squares of `size` pixels, without what only the training needed."""
    own = {name: value for name, value in state.items() if name not in ("mask_token", "register_tokens")}
    if "pos_embed" in own:
        own["pos_embed"] = _positions(own["pos_embed"], size // PATCH)
    return own


def _positions(published: Tensor, side: int) -> Tensor:
    """Map (1, 1 + n * n, WIDTH) -> (1, 1 + side * side, WIDTH), by bicubic interpolation as the published code does."""
    first, grid = published[:, :1], published[:, 1:]
    there = round(grid.shape[1] ** 0.5)
    if there == side:
        return published
    square = grid.reshape(1, there, there, -1).permute(0, 3, 1, 2)
    factor = (side + _OFFSET) / there
    moved = F.interpolate(square, scale_factor=(factor, factor), mode="bicubic", antialias=False)
    return torch.cat([first, moved.permute(0, 2, 3, 1).reshape(1, side * side, -1)], dim=1)
