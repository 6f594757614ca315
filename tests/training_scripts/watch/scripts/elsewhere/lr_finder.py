"""A learning-rate range test, then training from the weights as they were, with the rate that it found."""

import copy
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 0)
X = torch.randn(600, 16)
target = (X[:, :4].prod(dim=1).sign() + X[:, 4:8].sum(dim=1)).unsqueeze(1) / 2
train = DataLoader(TensorDataset(X[:480], target[:480]), batch_size=24, shuffle=True)
valid = DataLoader(TensorDataset(X[480:], target[480:]), batch_size=60)
model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)


def range_test(start=1e-4, end=3.0, num_iter=40):
    state = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    factor, rates, losses, batches = (end / start) ** (1 / num_iter), [], [], iter(train)
    for group in optimizer.param_groups:
        group["lr"] = start
    for _ in range(num_iter):
        try:
            xb, yb = next(batches)
        except StopIteration:
            batches = iter(train)
            xb, yb = next(batches)
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
        losses.append(loss.item() if not losses else 0.7 * losses[-1] + 0.3 * loss.item())
        if losses[-1] > 4 * min(losses):
            break
        for group in optimizer.param_groups:
            group["lr"] *= factor
    model.load_state_dict(state[0])
    optimizer.load_state_dict(state[1])
    return rates[losses.index(min(losses))] / 10


best = range_test()
for group in optimizer.param_groups:
    group["lr"] = best
print(f"suggested rate {best:.4f}")
for epoch in range(5):
    model.train()
    for xb, yb in train:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        error = sum(criterion(model(xb), yb).item() for xb, yb in valid) / len(valid)
    print(f"epoch {epoch} train {loss.item():.4f} valid {error:.4f}")
