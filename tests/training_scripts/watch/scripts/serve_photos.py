"""Photographs are split, trained on with augmentation, and the model is saved with its classes; then it is served."""

import argparse
import json
import os
import random
import tempfile

import torch
from torch import nn
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

CLASSES = ("beech", "maple", "oak")


def photographs(count, generator):
    """Draw scenes of broad light and shade, with the colour of their class; what a folder of photographs would be."""
    labels = torch.randint(0, 3, (count,), generator=generator)
    scenes = interpolate(torch.randn(count, 3, 7, 7, generator=generator), size=32, mode="bicubic")
    scenes[torch.arange(count), labels] += 0.5
    return (scenes + 0.2 * torch.randn(count, 3, 32, 32, generator=generator)).clamp(-3, 3) / 6 + 0.5, labels


class Photos(Dataset):
    def __init__(self, pictures, labels, transform, classes=CLASSES):
        self.pictures, self.labels, self.transform = pictures, labels, transform
        self.classes = list(classes)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, at):
        return self.transform(self.pictures[at]), self.class_to_idx[CLASSES[int(self.labels[at])]]


def build():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 3),
    )  # fmt: skip


def serve(folder, pictures):
    checkpoint = torch.load(os.path.join(folder, "model.pt"))
    with open(os.path.join(folder, "labels.json")) as file:
        names = json.load(file)
    model = build()
    model.load_state_dict(checkpoint["model"])
    model.eval()
    with torch.no_grad():
        answers = model(pictures).argmax(dim=1).tolist()
    return [names[answer] for answer in answers]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pictures", type=int, default=240)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    pictures, labels = photographs(args.pictures, torch.Generator().manual_seed(args.seed))
    kept = args.pictures * 3 // 4
    normalise = transforms.Normalize((0.5,) * 3, (0.2,) * 3)
    augment = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=2), normalise])
    train_set = Photos(pictures[:kept], labels[:kept], augment)
    valid_set = Photos(pictures[kept:], labels[kept:], normalise)
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=30)
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        model.train()
        for images, targets in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(images), targets)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(images).argmax(1) == targets).sum().item() for images, targets in valid_loader)
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {right / len(valid_set):.3f}")
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"model": model.state_dict(), "epoch": args.epochs}, os.path.join(folder, "model.pt"))
        with open(os.path.join(folder, "labels.json"), "w") as file:
            json.dump(train_set.classes, file)
        print(serve(folder, normalise(pictures[kept:])))


if __name__ == "__main__":
    main()
