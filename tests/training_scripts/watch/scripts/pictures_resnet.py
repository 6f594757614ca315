"""A residual network on folders of pictures, with transforms and a learning rate that follows a cosine."""

import argparse
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.25, 0.25)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(x + self.bn2(self.conv2(out)))


class ResNet(nn.Module):
    def __init__(self, num_classes, zero_init=False):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU())
        self.layer1, self.layer2 = Block(12), Block(12)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(12, num_classes)
        if zero_init:
            for block in (self.layer1, self.layer2):
                nn.init.zeros_(block.bn2.weight)

    def forward(self, x):
        x = self.layer2(self.pool(self.layer1(self.stem(x))))
        return self.head(x.mean(dim=(2, 3)))


class Pictures(Dataset):
    """Drawn pictures of four classes; what a folder of files would give."""

    def __init__(self, count, seed, transform, classes=("bird", "cat", "dog", "fish")):
        self.classes = list(classes)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.transform, self.seed, self.count = transform, seed, count
        self.kinds = torch.rand(4, 3, 20, 20, generator=torch.Generator().manual_seed(3))

    def __len__(self):
        return self.count

    def __getitem__(self, at):
        generator = torch.Generator().manual_seed(self.seed * 100_000 + at)
        kind = int(torch.randint(0, 4, (1,), generator=generator))
        noise = torch.rand(3, 20, 20, generator=generator)
        picture = 0.6 * self.kinds[kind] + 0.4 * noise
        return self.transform(picture), self.class_to_idx[("bird", "cat", "dog", "fish")[kind]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--zero-init", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    train_tf = transforms.Compose(
        [transforms.RandomHorizontalFlip(), transforms.RandomCrop(20, padding=1), transforms.Normalize(MEAN, STD)]
    )
    valid_tf = transforms.Compose([transforms.Normalize(MEAN, STD)])
    train_set = Pictures(256, 2 * args.seed + 1, train_tf)
    valid_set = Pictures(96, 2 * args.seed + 2, valid_tf)
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=32)
    model = ResNet(len(train_set.classes), args.zero_init)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    for epoch in range(args.epochs):
        model.train()
        running = 0.0
        for images, labels in train_loader:
            outputs = model(images)
            loss = criterion(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item()
        scheduler.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in valid_loader:
                outputs = model(images)
                correct += (outputs.argmax(1) == labels).sum().item()
        print(f"epoch {epoch} loss {running / len(train_loader):.3f} accuracy {correct / len(valid_set):.3f}")


if __name__ == "__main__":
    main()
