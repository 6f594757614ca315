"""A loop without loaders or schedulers: batches are taken by a permutation, the optimizer is plain SGD."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 40)
        self.second = nn.Linear(40, 40)
        self.out = nn.Linear(40, 4)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        x = torch.relu(self.second(x))
        return self.out(x)


def blobs(count, seed):
    centres = torch.randn(4, 20, generator=torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) * 4 // count
    return 0.7 * centres[labels] + torch.randn(count, 20, generator=generator), labels


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=90)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x, y = blobs(400, args.seed)
    x_valid, y_valid = blobs(100, args.seed + 50)
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    order = torch.randperm(len(x))
    total = 0.0
    for step in range(args.steps):
        at = step * 20 % len(x)
        if at == 0:
            order = torch.randperm(len(x))
        rows = order[at : at + 20]
        logits = model(x[rows])
        loss = F.cross_entropy(logits, y[rows])
        model.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        accuracy = (model(x_valid).argmax(1) == y_valid).float().mean().item()
    print(f"mean loss {total / args.steps:.3f} accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
