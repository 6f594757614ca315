"""A small network on a table of measurements: two classes, features standardised, logits of one output."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def table(count, seed):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.logspace(0, 4, 12)
    features = torch.randn(count, 12, generator=generator) * scale + 3 * scale
    wanted = torch.randn(12, generator=torch.Generator().manual_seed(8))
    score = ((features / scale - 3) * wanted).sum(dim=1)
    return features, (score + 0.5 * torch.randn(count, generator=generator) > 0).float()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = table(600, args.seed)
    x_train, y_train, x_valid, y_valid = x[:480], y[:480], x[480:], y[480:]
    mean, std = x_train.mean(0), x_train.std(0)
    x_train, x_valid = (x_train - mean) / std, (x_valid - mean) / std
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=24, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=60)
    model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(args.epochs):
        model.train()
        for features, target in train_loader:
            optimizer.zero_grad()
            output = model(features).squeeze(1)
            loss = criterion(output, target)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            losses, right = [], 0
            for features, target in valid_loader:
                output = model(features).squeeze(1)
                losses.append(criterion(output, target).item())
                right += ((output > 0) == (target > 0.5)).sum().item()
        print(f"epoch {epoch} valid {sum(losses) / len(losses):.3f} accuracy {right / len(y_valid):.3f}")


if __name__ == "__main__":
    main()
