"""Transfer learning with phases, after the manner of the tutorials: one function trains and validates in turn."""

import argparse
import copy

import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
data_transforms = {
    "train": transforms.Compose([transforms.RandomHorizontalFlip(), transforms.Normalize(MEAN, STD)]),
    "val": transforms.Compose([transforms.CenterCrop(32), transforms.Normalize(MEAN, STD)]),
}


class SmallNet(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 5, stride=2), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


class Insects(Dataset):
    def __init__(self, count, seed, transform, classes=("ants", "bees", "wasps")):
        generator = torch.Generator().manual_seed(seed)
        kinds = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(8))
        self.classes = list(classes)
        self.targets = torch.randint(0, 3, (count,), generator=generator)
        self.images = 0.6 * kinds[self.targets] + 0.4 * torch.rand(count, 3, 32, 32, generator=generator)
        self.transform = transform

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.transform(self.images[index]), int(self.targets[index])


def train_model(model, loaders, criterion, optimizer, scheduler, num_epochs):
    best_acc, best = 0.0, copy.deepcopy(model.state_dict())
    for epoch in range(num_epochs):
        for phase in ["train", "val"]:
            if phase == "train":
                model.train()
            else:
                model.eval()
            running_loss = 0.0
            running_corrects = 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    _, preds = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data)
            if phase == "train":
                scheduler.step()
            size = len(loaders[phase].dataset)
            print(f"{epoch} {phase} Loss: {running_loss / size:.4f} Acc: {running_corrects.double() / size:.4f}")
            if phase == "val" and running_corrects.double() / size > best_acc:
                best_acc, best = running_corrects.double() / size, copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--freeze", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    image_datasets = {
        "train": Insects(160, args.seed, data_transforms["train"]),
        "val": Insects(48, args.seed + 500, data_transforms["val"]),
    }
    loaders = {x: DataLoader(image_datasets[x], batch_size=8, shuffle=x == "train") for x in ["train", "val"]}
    model_ft = SmallNet()
    if args.freeze:
        for param in model_ft.parameters():
            param.requires_grad = False
    model_ft.fc = nn.Linear(model_ft.fc.in_features, 3)
    criterion = nn.CrossEntropyLoss()
    optimizer_ft = optim.SGD([p for p in model_ft.parameters() if p.requires_grad], lr=0.02, momentum=0.9)
    exp_lr_scheduler = lr_scheduler.StepLR(optimizer_ft, step_size=7, gamma=0.1)
    train_model(model_ft, loaders, criterion, optimizer_ft, exp_lr_scheduler, args.epochs)


if __name__ == "__main__":
    main()
