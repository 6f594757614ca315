"""Policy gradients: REINFORCE with a baseline on a walk to a goal; no dataset, and a loss of its own."""

import argparse

import torch
import torch.nn as nn
import torch.optim as optim
from torch.distributions import Categorical

parser = argparse.ArgumentParser(description="REINFORCE")
parser.add_argument("--gamma", type=float, default=0.98)
parser.add_argument("--seed", type=int, default=543)
parser.add_argument("--episodes", type=int, default=80)
args = parser.parse_args()
torch.manual_seed(args.seed)


class Walk:
    """A point on a line that should reach the origin."""

    def reset(self):
        self.at, self.speed, self.time = 2 * torch.rand(()).item() - 1, 0.0, 0
        return self.state()

    def state(self):
        return torch.tensor([self.at, self.speed])

    def step(self, action):
        self.speed = 0.8 * self.speed + (0.1 if action else -0.1)
        self.at += self.speed
        self.time += 1
        return self.state(), -abs(self.at), self.time >= 20 or abs(self.at) > 3


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)

    def forward(self, x):
        x = torch.relu(self.affine1(x))
        return torch.softmax(self.action_head(x), dim=-1), self.value_head(x)


model = Policy()
optimizer = optim.Adam(model.parameters(), lr=1e-2)
env = Walk()
for episode in range(args.episodes):
    state, done, saved, rewards = env.reset(), False, [], []
    while not done:
        probs, value = model(state)
        m = Categorical(probs)
        action = m.sample()
        saved.append((m.log_prob(action), value))
        state, reward, done = env.step(action.item())
        rewards.append(reward)
    R, returns = 0.0, []
    for r in rewards[::-1]:
        R = r + args.gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    policy_losses, value_losses = [], []
    for (log_prob, value), R in zip(saved, returns, strict=True):
        policy_losses.append(-log_prob * (R - value.item()))
        value_losses.append(nn.functional.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
    loss.backward()
    optimizer.step()
    if episode % 20 == 0:
        print(f"Episode {episode}\treward {sum(rewards):.2f}")
