"""A pretrained backbone gets a new head: first the head alone, or all of it with a smaller learning rate."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Backbone(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        )  # fmt: skip
        self.fc = nn.Linear(96, num_classes)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


def pictures(count, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.rand(classes, 3, 16, 16, generator=torch.Generator().manual_seed(40 + classes))
    labels = torch.randint(0, classes, (count,), generator=generator)
    raw = 0.6 * kinds[labels] + 0.4 * torch.rand(count, 3, 16, 16, generator=generator)
    return (raw - 0.5) / 0.25, labels


def pretrained():
    """What a download would be: trained on another task, with the statistics of its pictures."""
    torch.manual_seed(99)
    model = Backbone(8)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    images, labels = pictures(256, 8, 5)
    with torch.enable_grad():
        for _ in range(60):
            rows = torch.randint(0, 256, (32,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()
    return model.state_dict()


def main(weights):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--freeze", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    model = Backbone(8)
    model.load_state_dict(weights)
    if args.freeze:
        for parameter in model.features.parameters():
            parameter.requires_grad = False
    model.fc = nn.Linear(96, 3)
    dataset = TensorDataset(*pictures(240, 3, args.seed))
    train_set, valid_set = random_split(dataset, [192, 48], generator=torch.Generator().manual_seed(args.seed))
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=16)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    for epoch in range(args.epochs):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad(set_to_none=False)
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.inference_mode():
            for images, labels in valid_loader:
                correct += (model(images).argmax(1) == labels).sum().item()
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {correct / len(valid_set):.3f}")


if __name__ == "__main__":
    main(pretrained())
