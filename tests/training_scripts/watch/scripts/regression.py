"""A regression with a learning rate that rises and falls once, stepped after every batch."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.inside = nn.Linear(6, width)
        self.norm = nn.LayerNorm(width)
        self.middle = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        x = torch.tanh(self.norm(self.inside(x)))
        return self.out(torch.relu(self.middle(x)))


def samples(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator)
    y = torch.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3] + 0.1 * torch.randn(count, 1, generator=generator)
    return TensorDataset(x, y)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train_loader = DataLoader(samples(512, args.seed), batch_size=32, shuffle=True, drop_last=True)
    valid_loader = DataLoader(samples(128, args.seed + 1000), batch_size=64)
    model = Regressor()
    criterion = nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    steps = args.epochs * len(train_loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps + 200)
    history = []
    for epoch in range(args.epochs):
        model.train()
        for x, y in train_loader:
            prediction = model(x)
            loss = criterion(prediction, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            history.append(loss.item())
        model.eval()
        with torch.no_grad():
            errors = [criterion(model(x), y).item() for x, y in valid_loader]
        print(f"epoch {epoch} train {history[-1]:.4f} valid {sum(errors) / len(errors):.4f}")


if __name__ == "__main__":
    main()
