"""A small vision transformer: AdamW, warm-up then cosine by the step, label smoothing, the best epoch kept."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, num_classes, dim=32, depth=2):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 4, stride=4)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(0.02 * torch.randn(1, 17, dim))
        self.blocks = nn.ModuleList([Block(dim, 4) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, images):
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Shapes(Dataset):
    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        kinds = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(3))
        self.targets = torch.randint(0, 8, (count,), generator=generator)
        self.images = (kinds[self.targets] + 0.7 * torch.randn(count, 3, 16, 16, generator=generator)) / 1.25

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], self.targets[index]


def evaluate(model, loader):
    model.eval()
    hits = 0
    with torch.no_grad():
        for images, targets in loader:
            hits += (model(images).argmax(-1) == targets).sum().item()
    return hits / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train_loader = DataLoader(Shapes(512, args.seed), batch_size=32, shuffle=True)
    val_loader = DataLoader(Shapes(128, args.seed + 900), batch_size=64)
    model = ViT(num_classes=8)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    total = args.epochs * len(train_loader)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=8)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - 8)
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[8])
    best = 0.0
    for epoch in range(args.epochs):
        model.train()
        for images, targets in train_loader:
            logits = model(images)
            loss = criterion(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
        accuracy = evaluate(model, val_loader)
        best = max(best, accuracy)
        print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {accuracy:.3f}, best {best:.3f}")


if __name__ == "__main__":
    main()
