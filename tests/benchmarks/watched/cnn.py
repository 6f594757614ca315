"""A convolutional network on small pictures, in the manner of PyTorch's MNIST example."""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        x = self.dropout(torch.flatten(x, 1))
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


def digits(count):
    shapes = torch.randn(10, 1, 28, 28)
    labels = torch.randint(0, 10, (count,))
    return TensorDataset((shapes[labels] + torch.randn(count, 1, 28, 28)) / 1.4, labels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    torch.manual_seed(0)
    loader = DataLoader(digits(64 * 50), batch_size=64, shuffle=True)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    began, used, step = time.perf_counter(), time.process_time(), 0
    while step < args.steps:
        for data, target in loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            step += 1
    print(f"steps={step} seconds={time.perf_counter() - began:.4f} cpu={time.process_time() - used:.4f}")


if __name__ == "__main__":
    main()
