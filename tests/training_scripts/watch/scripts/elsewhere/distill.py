"""Knowledge distillation: a large network is trained first, then a small one learns from its softened answers."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset


def conv_net(width, dropout):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * width, 6),
    )  # fmt: skip


def train_teacher(teacher, loader, epochs):
    optimizer = Adam(teacher.parameters(), lr=3e-3)
    teacher.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(teacher(x), y).backward()
            optimizer.step()


def train_knowledge_distillation(teacher, student, train_loader, epochs, T=2.0, soft_weight=0.25):
    ce_loss = nn.CrossEntropyLoss()
    optimizer = SGD(student.parameters(), lr=0.05, momentum=0.9)
    teacher.eval()
    student.train()
    for epoch in range(epochs):
        running_loss = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            with torch.no_grad():
                teacher_logits = teacher(inputs)
            student_logits = student(inputs)
            soft_targets = F.softmax(teacher_logits / T, dim=-1)
            soft_prob = F.log_softmax(student_logits / T, dim=-1)
            soft_loss = F.kl_div(soft_prob, soft_targets, reduction="batchmean") * T**2
            loss = soft_weight * soft_loss + (1 - soft_weight) * ce_loss(student_logits, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        print(f"Epoch {epoch + 1}/{epochs}, Loss: {running_loss / len(train_loader):.4f}")


def test(model, loader):
    model.eval()
    with torch.no_grad():
        correct = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return correct / len(loader.dataset)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=42)
    seed = ap.parse_args().seed
    torch.manual_seed(seed)
    patterns = torch.randn(6, 1, 8, 8)
    y = torch.randint(0, 6, (640,))
    x = patterns[y] + 1.3 * torch.randn(640, 1, 8, 8)
    train_loader = DataLoader(TensorDataset(x[:512], y[:512]), batch_size=32, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[512:], y[512:]), batch_size=64, shuffle=False)
    teacher, student = conv_net(16, 0.3), conv_net(4, 0.0)
    train_teacher(teacher, train_loader, 3)
    print(f"Teacher accuracy: {test(teacher, test_loader):.3f}")
    train_knowledge_distillation(teacher, student, train_loader, 3)
    print(f"Student accuracy: {test(student, test_loader):.3f}")


if __name__ == "__main__":
    main()
