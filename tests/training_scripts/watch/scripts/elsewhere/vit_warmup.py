"""A vision transformer in bfloat16 with warm-up and cosine, a configuration dictionary and functions for everything."""

import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

config = {
    "dim": 32,
    "depth": 2,
    "heads": 4,
    "classes": 5,
    "lr": 3e-3,
    "warmup": 8,
    "total": 90,
    "batch": 24,
    "seed": int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 42,
}
torch.manual_seed(config["seed"])


class PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=4, stride=4)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    def __init__(self, dim, depth, heads, classes):
        super().__init__()
        self.patch = PatchEmbed(dim)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(0.02 * torch.randn(1, 17, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch(x)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.pos
        return self.head(self.norm(self.encoder(x)[:, 0]))


def param_groups(model, decay):
    no_decay = [p for p in model.parameters() if p.ndim < 2]
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay},
        {"params": no_decay, "weight_decay": 0.0},
    ]


def lr_lambda(step):
    if step < config["warmup"]:
        return step / config["warmup"]
    progress = (step - config["warmup"]) / (config["total"] - config["warmup"])
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


colours = torch.randn(config["classes"], 3, 1, 1)


def batches(n, count, generator):
    for _ in range(n):
        labels = torch.randint(config["classes"], (count,), generator=generator)
        yield colours[labels] * 0.7 + torch.randn(count, 3, 16, 16, generator=generator), labels


model = ViT(config["dim"], config["depth"], config["heads"], config["classes"])
optimizer = torch.optim.AdamW(param_groups(model, 0.05), lr=config["lr"], betas=(0.9, 0.98))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda)
train_rng = torch.Generator().manual_seed(config["seed"])

for epoch in range(3):
    model.train()
    for images, labels in batches(30, config["batch"], train_rng):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        scheduler.step()
    model.eval()
    right = 0
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for images, labels in batches(4, 24, torch.Generator().manual_seed(9999)):
            right += (model(images).argmax(-1) == labels).sum().item()
    print(f"epoch {epoch} accuracy {right / 96:.3f} lr {scheduler.get_last_lr()[0]:.5f}")
