"""A small residual network with an average of its weights beside it, which is what gets evaluated."""

import argparse
import copy

import torch
from torch import nn


class ModelEMA:
    """Keeps a moving average of everything in the model's state."""

    def __init__(self, model, decay=0.9):
        self.decay = decay
        self.shadow = {name: param.detach().clone() for name, param in model.named_parameters()}

    def update(self, model):
        for name, param in model.named_parameters():
            self.shadow[name] = self.decay * self.shadow[name] + (1 - self.decay) * param.detach()

    def averaged(self, model):
        clone = copy.deepcopy(model)
        with torch.no_grad():
            for name, param in clone.named_parameters():
                param.copy_(self.shadow[name])
        return clone


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x):
        return x + self.body(x)


def data(n, generator):
    labels = torch.randint(0, 3, (n,), generator=generator)
    stripes = torch.stack([torch.sin(torch.arange(16) * f) for f in (0.4, 0.9, 1.7)])
    return stripes[labels][:, None, None].expand(n, 3, 16, 16) + torch.randn(n, 3, 16, 16, generator=generator), labels


def main(args):
    generator = torch.Generator().manual_seed(args.seed)
    torch.manual_seed(args.seed)
    images, labels = data(512, generator)
    test_images, test_labels = data(128, generator)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), Residual(16), nn.SiLU(), nn.AdaptiveAvgPool2d((1, 4)), nn.Flatten(), nn.Linear(64, 3)
    )
    ema = ModelEMA(model)
    steps_per_epoch = 512 // 32
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=8e-3, total_steps=args.epochs * steps_per_epoch)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        for chosen in torch.randperm(512).split(32):
            opt.zero_grad()
            loss = loss_fn(model(images[chosen]), labels[chosen])
            loss.backward()
            opt.step()
            sched.step()
            ema.update(model)
        averaged = ema.averaged(model).eval()
        with torch.no_grad():
            accuracy = (averaged(test_images).argmax(1) == test_labels).float().mean()
        print(f"epoch {epoch}: accuracy of the average {accuracy:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
