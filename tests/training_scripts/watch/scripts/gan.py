"""Two networks against each other, each with an optimizer of its own."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    angles = torch.rand(512, 1) * 6.28
    real_data = torch.cat([angles.cos(), angles.sin()], dim=1) + 0.05 * torch.randn(512, 2)
    loader = DataLoader(TensorDataset(real_data), batch_size=32, shuffle=True)
    generator = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
    discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for epoch in range(args.epochs):
        for (real,) in loader:
            noise = torch.randn(len(real), 8)
            optimizer_d.zero_grad()
            fake = generator(noise)
            loss_d = criterion(discriminator(real), torch.ones(len(real), 1))
            loss_d = loss_d + criterion(discriminator(fake.detach()), torch.zeros(len(real), 1))
            loss_d.backward()
            optimizer_d.step()
            optimizer_g.zero_grad()
            loss_g = criterion(discriminator(fake), torch.ones(len(real), 1))
            loss_g.backward()
            optimizer_g.step()
        print(f"epoch {epoch} d {loss_d.item():.3f} g {loss_g.item():.3f}")


if __name__ == "__main__":
    main()
