"""A recurrent network that tells kinds of sequences apart; gradients are clipped."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Sequences(Dataset):
    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(0, 5, (count,), generator=generator)
        self.tokens = torch.randint(10, 50, (count, 14), generator=generator)
        for row, label in enumerate(self.labels.tolist()):
            places = torch.randperm(14, generator=generator)[:5]
            self.tokens[row, places] = label * 2 + torch.randint(0, 2, (5,), generator=generator)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, at):
        return self.tokens[at], self.labels[at]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.gru = nn.GRU(16, 32, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(32, 5)

    def forward(self, tokens):
        states, _ = self.gru(self.embedding(tokens))
        return self.out(self.dropout(states.mean(dim=1)))


def evaluate(model, loader):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for tokens, labels in loader:
            right += (model(tokens).argmax(-1) == labels).sum().item()
            total += len(labels)
    model.train()
    return right / total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    train_set, valid_set = Sequences(480, args.seed), Sequences(120, args.seed + 500)
    train_loader = DataLoader(train_set, batch_size=24, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=60)
    model = Classifier()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=2)
    model.train()
    step = 0
    for epoch in range(args.epochs):
        for tokens, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(tokens), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % 8 == 0:
                accuracy = evaluate(model, valid_loader)
        scheduler.step(accuracy)
        print(f"epoch {epoch} loss {loss.item():.3f} accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
