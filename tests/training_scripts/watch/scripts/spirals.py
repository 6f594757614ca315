"""Points on three spirals for a small multi-layer network, with dropout and a learning rate that falls by the epoch."""

import argparse
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SpiralNet(nn.Module):
    def __init__(self, hidden=48, dropout=0.05, num_classes=3):
        super().__init__()
        self.inputs = nn.Linear(2, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, x):
        x = torch.tanh(self.inputs(x))
        x = torch.relu(self.hidden(x))
        return self.head(self.dropout(x))


def spirals(count, generator):
    arms = torch.randint(0, 3, (count,), generator=generator)
    along = torch.rand(count, generator=generator)
    angles = 2 * math.pi * arms / 3 + 4 * along + 0.1 * torch.randn(count, generator=generator)
    points = torch.stack([along * angles.cos(), along * angles.sin()], dim=1)
    return TensorDataset(points / 0.42, arms)


def run_epoch(model, loader, criterion, optimizer=None):
    total = right = 0
    for points, arms in loader:
        logits = model(points)
        loss = criterion(logits, arms)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total += len(arms)
        right += (logits.argmax(dim=1) == arms).sum().item()
    return right / total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--label-noise", type=float, default=0.0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    train_set, test_set = spirals(480, generator), spirals(150, generator)
    other = torch.rand(480, generator=generator) < args.label_noise
    train_set.tensors[1][other] = torch.randint(0, 3, (int(other.sum()),), generator=generator)
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=50)
    model = SpiralNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.97)
    for _ in range(args.epochs):
        model.train()
        train_accuracy = run_epoch(model, train_loader, criterion, optimizer)
        scheduler.step()
        model.eval()
        with torch.no_grad():
            test_accuracy = run_epoch(model, test_loader, criterion)
    print(f"training {train_accuracy:.3f} test {test_accuracy:.3f}")


if __name__ == "__main__":
    main()
