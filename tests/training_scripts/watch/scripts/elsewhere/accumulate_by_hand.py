"""Gradient accumulation over micro-batches, in a loop as blog posts have it."""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0
torch.manual_seed(seed)
accumulation_steps = 2
epochs = 4

centres = torch.randn(4, 20)
y = torch.randint(0, 4, (480,))
X = centres[y] + 1.2 * torch.randn(480, 20)
train_dl = DataLoader(TensorDataset(X[:384], y[:384]), batch_size=8, shuffle=True)
valid_dl = DataLoader(TensorDataset(X[384:], y[384:]), batch_size=32)

net = nn.Sequential(nn.Linear(20, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)

for epoch in range(epochs):
    net.train()
    for i, (inputs, labels) in enumerate(train_dl):
        outputs = net(inputs)
        loss = criterion(outputs, labels) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
    net.eval()
    with torch.no_grad():
        correct = sum((net(inputs).argmax(1) == labels).sum().item() for inputs, labels in valid_dl)
    print(f"Epoch {epoch + 1}/{epochs}: valid accuracy {correct / 96:.3f}")
