"""Mixed precision with a gradient scaler, clipping and a checkpoint of the best epoch."""

import argparse
import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build():
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 24, 3, stride=2), nn.BatchNorm2d(24),
        nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 5),
    )  # fmt: skip


def pictures(count, seed):
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(5, 3, 12, 12, generator=torch.Generator().manual_seed(17))
    labels = torch.randint(0, 5, (count,), generator=generator)
    return TensorDataset((kinds[labels] + torch.randn(count, 3, 12, 12, generator=generator)) / 1.4, labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train_loader = DataLoader(pictures(384, args.seed), batch_size=24, shuffle=True)
    valid_loader = DataLoader(pictures(96, args.seed + 700), batch_size=48)
    model = build()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    best, kept = 0.0, None
    for epoch in range(args.epochs):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                outputs = model(images)
                loss = criterion(outputs, labels)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            scaler.step(optimizer)
            scaler.update()
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in valid_loader:
                right += (model(images).argmax(1) == labels).sum().item()
        if right > best:
            best, kept = right, copy.deepcopy(model.state_dict())
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {right / len(valid_loader.dataset):.3f}")
    return kept


if __name__ == "__main__":
    main()
