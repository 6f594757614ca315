"""A module and a trainer of Lightning's kind: the loop is the trainer's, the steps are the module's."""

import argparse
import time
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
        self.logged = {}

    def forward(self, x):
        return self.network(x)

    def training_step(self, batch, number):
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.logged["train_loss"] = loss.detach()
        return loss

    def validation_step(self, batch, number):
        x, y = batch
        self.logged["valid_loss"] = nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)


class Trainer:
    def __init__(self, max_steps):
        self.max_steps, self.step = max_steps, 0

    def fit(self, module, train_loader, valid_loader):
        optimizer, scheduler = module.configure_optimizers()
        while self.step < self.max_steps:
            module.train()
            for number, batch in enumerate(train_loader):
                optimizer.step(partial(self.closure, module, optimizer, batch, number))
                self.step += 1
            module.eval()
            with torch.no_grad():
                for number, batch in enumerate(valid_loader):
                    module.validation_step(batch, number)
            scheduler.step()

    def closure(self, module, optimizer, batch, number):
        loss = module.training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        return loss


def points(count):
    labels = torch.randint(0, 10, (count,))
    centres = torch.randn(10, 64, generator=torch.Generator().manual_seed(1))
    return TensorDataset(centres[labels] + torch.randn(count, 64), labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    torch.manual_seed(0)
    trainer = Trainer(args.steps)
    loaders = DataLoader(points(128 * 250), batch_size=128, shuffle=True), DataLoader(points(1280), batch_size=128)
    module = Module()
    began, used = time.perf_counter(), time.process_time()
    trainer.fit(module, *loaders)
    print(f"steps={trainer.step} seconds={time.perf_counter() - began:.4f} cpu={time.process_time() - used:.4f}")


if __name__ == "__main__":
    main()
