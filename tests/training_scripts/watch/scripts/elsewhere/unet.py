"""Segmentation: a small U-Net with a class for the training, masks as files would have them, dice beside the loss."""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset, random_split


class BasicDataset(Dataset):
    """Discs on noisy ground; pixels and masks as bytes, as PNG files have them."""

    def __init__(self, count, size=32, seed=0):
        gen = torch.Generator().manual_seed(seed)
        self.images, self.masks = [], []
        grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")).float()
        for _ in range(count):
            centre = torch.rand(2, 1, 1, generator=gen) * size
            mask = ((grid - centre).norm(dim=0) < 5 + 6 * torch.rand(1, generator=gen)).float()
            image = 60 * torch.rand(3, size, size, generator=gen) + 60 + 90 * mask
            self.images.append(image.to(torch.uint8))
            self.masks.append((255 * mask).to(torch.uint8))

    def __len__(self):
        return len(self.images)

    @staticmethod
    def preprocess(array, is_mask):
        if is_mask:
            return (array > 127).float()
        return (array.float() / 255.0 - 0.45) / 0.2

    def __getitem__(self, idx):
        return {
            "image": self.preprocess(self.images[idx], False),
            "mask": self.preprocess(self.masks[idx], True),
        }


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(
            nn.Conv2d(i, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
            nn.Conv2d(o, o, 3, padding=1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    def __init__(self, n_channels=3, width=4):
        super().__init__()
        self.inc = DoubleConv(n_channels, width)
        self.down1 = DoubleConv(width, 2 * width)
        self.down2 = DoubleConv(2 * width, 4 * width)
        self.up1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.conv1 = DoubleConv(4 * width, 2 * width)
        self.up2 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.conv2 = DoubleConv(2 * width, width)
        self.outc = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x = self.conv1(torch.cat([x2, self.up1(x3)], dim=1))
        x = self.conv2(torch.cat([x1, self.up2(x)], dim=1))
        return self.outc(x)


def dice_loss(prob, target, eps=1e-6):
    inter = 2 * (prob * target).sum(dim=(-1, -2))
    return 1 - ((inter + eps) / (prob.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2)) + eps)).mean()


@torch.inference_mode()
def evaluate(net, dataloader):
    net.eval()
    score = 0.0
    for batch in dataloader:
        pred = (torch.sigmoid(net(batch["image"]).squeeze(1)) > 0.5).float()
        score += 1 - dice_loss(pred, batch["mask"]).item()
    net.train()
    return score / len(dataloader)


class Trainer:
    def __init__(self, args):
        torch.manual_seed(args.seed)
        self.net = UNet()
        dataset = BasicDataset(110, seed=args.seed)
        train_set, val_set = random_split(dataset, [90, 20], generator=torch.Generator().manual_seed(0))
        self.train_loader = DataLoader(train_set, shuffle=True, batch_size=6)
        self.val_loader = DataLoader(val_set, shuffle=False, batch_size=6)
        self.optimizer = optim.RMSprop(self.net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.5)
        self.scheduler = optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, "max", patience=5)
        self.criterion = nn.BCEWithLogitsLoss()

    def fit(self, epochs):
        for epoch in range(1, epochs + 1):
            self.net.train()
            for batch in self.train_loader:
                masks_pred = self.net(batch["image"]).squeeze(1)
                loss = self.criterion(masks_pred, batch["mask"])
                loss += dice_loss(torch.sigmoid(masks_pred), batch["mask"])
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
                self.optimizer.step()
            score = evaluate(self.net, self.val_loader)
            self.scheduler.step(score)
            print(f"epoch {epoch}: dice {score:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog=Path(__file__).name)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    Trainer(options).fit(options.epochs)
