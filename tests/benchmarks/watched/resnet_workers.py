"""A fine-tuned ResNet-18 on pictures that two workers load and augment."""

import argparse
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms


class Pictures(Dataset):
    def __init__(self, count):
        self.count = count
        self.transform = transforms.Compose(
            [transforms.RandomHorizontalFlip(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
        )

    def __len__(self):
        return self.count

    def __getitem__(self, at):
        picture = torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(at))
        return self.transform(picture), at % 5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=80)
    args = parser.parse_args()
    torch.manual_seed(0)
    loader = DataLoader(Pictures(16 * args.steps), batch_size=16, shuffle=True, num_workers=2)
    model = models.resnet18(weights=None)
    model.fc = nn.Linear(model.fc.in_features, 5)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    model.train()
    began, used, step = time.perf_counter(), time.process_time(), 0
    for images, labels in loader:
        loss = criterion(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    print(f"steps={step} seconds={time.perf_counter() - began:.4f} cpu={time.process_time() - used:.4f}")


if __name__ == "__main__":
    main()
