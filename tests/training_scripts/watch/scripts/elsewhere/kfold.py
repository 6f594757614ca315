"""Cross-validation: five folds of one dataset, a new network for each, results at the end."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset


class Spectra(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.y = torch.randint(0, 3, (n,), generator=g)
        peaks = torch.tensor([8.0, 20.0, 30.0])[self.y]
        self.x = torch.exp(-((torch.arange(40.0) - peaks[:, None]) ** 2) / 8) + 0.4 * torch.randn(n, 40, generator=g)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i].unsqueeze(0), self.y[i]


def build():
    return nn.Sequential(
        nn.Conv1d(1, 8, 5, padding=2), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 16, 5, padding=2),
        nn.BatchNorm1d(16), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(64, 3),
    )  # fmt: skip


def run_fold(model, train_loader, val_loader, epochs):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        model.eval()
        hits = 0
        with torch.no_grad():
            for x, y in val_loader:
                hits += (model(x).argmax(1) == y).sum().item()
    return hits / len(val_loader.dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=7)
    opts = parser.parse_args()
    torch.manual_seed(opts.seed)
    dataset = Spectra(300, opts.seed)
    folds = torch.randperm(300).chunk(5)
    loaders = []
    for k in range(5):
        rest = torch.cat([fold for j, fold in enumerate(folds) if j != k])
        loaders.append(
            (
                DataLoader(Subset(dataset, rest.tolist()), batch_size=20, shuffle=True),
                DataLoader(Subset(dataset, folds[k].tolist()), batch_size=30),
            )
        )
    scores = []
    for train_loader, val_loader in loaders:
        model = build()
        scores.append(run_fold(model, train_loader, val_loader, 3))
    print(f"accuracy {sum(scores) / 5:.3f}, folds {[round(score, 3) for score in scores]}")
