"""A trainer class: gradients of several micro-batches are added up, under autocast and with a gradient scaler."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Network(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.body = nn.Sequential(Residual(16), nn.MaxPool2d(2), Residual(16))
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        return self.fc(self.drop(self.body(F.relu(self.stem(x))).mean((2, 3))))


class Trainer:
    def __init__(self, model, train_data, valid_data, accumulation_steps=4, lr=0.05):
        self.model, self.accumulation_steps = model, accumulation_steps
        self.train_loader = DataLoader(train_data, batch_size=8, shuffle=True, drop_last=True)
        self.valid_loader = DataLoader(valid_data, batch_size=32)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
        self.total_loss = 0.0

    def train_epoch(self):
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        for i, (x, y) in enumerate(self.train_loader):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = self.model(x)
                loss = F.cross_entropy(out, y) / self.accumulation_steps
            self.scaler.scale(loss).backward()
            self.total_loss += loss.item()
            if (i + 1) % self.accumulation_steps == 0:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1.0)
                self.scaler.step(self.optimizer)
                self.scaler.update()
                self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        hits = sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.valid_loader)
        return hits / len(self.valid_loader.dataset)

    def fit(self, epochs):
        for epoch in range(epochs):
            self.train_epoch()
            print(f"epoch {epoch} loss {self.total_loss:.3f} accuracy {self.validate():.3f}")


def pictures(count, seed):
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(77))
    labels = torch.randint(0, 4, (count,), generator=generator)
    return TensorDataset((kinds[labels] + torch.randn(count, 3, 12, 12, generator=generator)) / 1.4, labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    trainer = Trainer(Network(4), pictures(512, args.seed), pictures(96, args.seed + 250))
    trainer.fit(args.epochs)


if __name__ == "__main__":
    main()
