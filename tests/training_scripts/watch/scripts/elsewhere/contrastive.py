"""SimCLR: two views of each picture, NT-Xent, and an optimizer each for the encoder and the projection head."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class TwoViews(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.base = torch.randn(n, 3, 16, 16, generator=g)

    def augment(self, x):
        if torch.rand(()) < 0.5:
            x = x.flip(-1)
        return x + 0.3 * torch.randn_like(x)

    def __getitem__(self, i):
        x = self.base[i]
        return self.augment(x), self.augment(x)

    def __len__(self):
        return len(self.base)


def nt_xent(z1, z2, temperature=0.5):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    similarity = z @ z.t() / temperature
    similarity.fill_diagonal_(-1e4)
    n = len(z1)
    positives = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(similarity, positives)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", default=4, type=int)
    p.add_argument("--seed", default=0, type=int)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    encoder = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32),
        nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    )  # fmt: skip
    projector = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 32))
    opt_encoder = torch.optim.SGD(encoder.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    opt_head = torch.optim.Adam(projector.parameters(), lr=1e-3)
    loader = DataLoader(TwoViews(320, a.seed), batch_size=32, shuffle=True, drop_last=True)
    for epoch in range(a.epochs):
        total = 0.0
        for v1, v2 in loader:
            loss = nt_xent(projector(encoder(v1)), projector(encoder(v2)))
            opt_encoder.zero_grad()
            opt_head.zero_grad()
            loss.backward()
            opt_encoder.step()
            opt_head.step()
            total += loss.item()
        print(f"[{epoch}] nt-xent {total / len(loader):.3f}")


if __name__ == "__main__":
    main()
