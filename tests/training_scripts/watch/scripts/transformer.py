"""A small transformer with warm-up, accumulated gradients and an average of its weights."""

import argparse
import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Patches(nn.Module):
    def __init__(self, classes=6, width=24):
        super().__init__()
        self.embed = nn.Linear(12, width)
        self.position = nn.Parameter(torch.zeros(1, 16, width))
        layer = nn.TransformerEncoderLayer(width, 4, 48, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        tokens = x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).reshape(len(x), 16, 12)
        states = self.encoder(self.embed(tokens) + self.position)
        return self.head(self.norm(states.mean(dim=1)))


def pictures(count, seed):
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(21))
    labels = torch.randint(0, 6, (count,), generator=generator)
    return TensorDataset((kinds[labels] + 0.8 * torch.randn(count, 3, 8, 8, generator=generator)) / 1.3, labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--accumulate", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train_loader = DataLoader(pictures(480, args.seed), batch_size=12, shuffle=True, drop_last=True)
    valid_loader = DataLoader(pictures(96, args.seed + 300), batch_size=48)
    model = Patches()
    average = copy.deepcopy(model).requires_grad_(False)
    criterion = nn.CrossEntropyLoss()
    decay = [p for name, p in model.named_parameters() if p.ndim > 1]
    others = [p for name, p in model.named_parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))
    for epoch in range(args.epochs):
        model.train()
        optimizer.zero_grad()
        for number, (images, labels) in enumerate(train_loader):
            loss = criterion(model(images), labels) / args.accumulate
            loss.backward()
            if (number + 1) % args.accumulate == 0:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                        slow.lerp_(fast, 0.1)
        model.eval()
        average.eval()
        right = 0
        with torch.no_grad():
            for images, labels in valid_loader:
                right += (model(images).argmax(1) == labels).sum().item()
                average(images)
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {right / len(valid_loader.dataset):.3f}")


if __name__ == "__main__":
    main()
