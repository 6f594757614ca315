"""WGAN with gradient penalty: the critic takes several steps for each of the generator."""

import argparse

import torch
import torch.nn as nn
from torch.autograd import grad

opt_parser = argparse.ArgumentParser()
opt_parser.add_argument("--seed", type=int, default=0)
opt_parser.add_argument("--n_critic", type=int, default=3)
opt_parser.add_argument("--steps", type=int, default=150)
opt = opt_parser.parse_args()
torch.manual_seed(opt.seed)

generator = nn.Sequential(nn.Linear(8, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
optimizer_G = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
optimizer_D = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))


def ring(n):
    angle = 2 * torch.pi * torch.rand(n)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(n, 2)


def compute_gradient_penalty(D, real, fake):
    alpha = torch.rand(len(real), 1)
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    d_interpolates = D(interpolates)
    gradients = grad(d_interpolates, interpolates, torch.ones_like(d_interpolates), create_graph=True)[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


for i in range(opt.steps):
    real = ring(64)
    optimizer_D.zero_grad()
    fake = generator(torch.randn(64, 8))
    d_loss = (
        -critic(real).mean() + critic(fake.detach()).mean() + 10 * compute_gradient_penalty(critic, real, fake.detach())
    )
    d_loss.backward()
    optimizer_D.step()
    if i % opt.n_critic == 0:
        optimizer_G.zero_grad()
        g_loss = -critic(generator(torch.randn(64, 8))).mean()
        g_loss.backward()
        optimizer_G.step()
    if i % 50 == 0:
        print(f"[step {i}] [D {d_loss.item():.4f}] [G {g_loss.item():.4f}]")
