"""Language model: a word-level LSTM over one long text, in columns, with steps of plain SGD written by hand."""

import argparse
import math

import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1111)
parser.add_argument("--bptt", type=int, default=12)
parser.add_argument("--lr", type=float, default=2.0)
parser.add_argument("--clip", type=float, default=0.25)
args = parser.parse_args()
torch.manual_seed(args.seed)
NTOKENS = 24


def make_text(length):
    """A text in which each word is mostly followed by the same few."""
    words = [0]
    followers = torch.randint(NTOKENS, (NTOKENS, 2), generator=torch.Generator().manual_seed(5))
    for draw in torch.rand(length, generator=torch.Generator().manual_seed(args.seed)).tolist():
        words.append(int(followers[words[-1], int(draw * 2)]) if draw < 0.9 else int(draw * 1000) % NTOKENS)
    return torch.tensor(words)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data[: nbatch * bsz].view(bsz, -1).t().contiguous()


train_data, val_data = batchify(make_text(9000), 20), batchify(make_text(12000)[10000:], 10)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid):
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid)
        self.decoder = nn.Linear(nhid, ntoken)
        self.nhid = nhid

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        decoded = self.decoder(self.drop(output))
        return decoded.view(-1, NTOKENS), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return weight.new_zeros(1, bsz, self.nhid), weight.new_zeros(1, bsz, self.nhid)


model = RNNModel(NTOKENS, 24, 48)
criterion = nn.CrossEntropyLoss()


def repackage_hidden(h):
    return tuple(v.detach() for v in h)


def get_batch(source, i):
    seq_len = min(args.bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].reshape(-1)


def evaluate(source):
    model.eval()
    total_loss, hidden = 0.0, model.init_hidden(10)
    with torch.no_grad():
        for i in range(0, source.size(0) - 1, args.bptt):
            data, targets = get_batch(source, i)
            output, hidden = model(data, hidden)
            total_loss += len(data) * criterion(output, targets).item()
    return total_loss / (len(source) - 1)


def train():
    model.train()
    total_loss, hidden = 0.0, model.init_hidden(20)
    starts = range(0, train_data.size(0) - 1, args.bptt)
    for i in starts:
        data, targets = get_batch(train_data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-args.lr)
        total_loss += loss.item()
    return total_loss / len(starts)


for epoch in range(1, 4):
    train_loss = train()
    val_loss = evaluate(val_data)
    print(f"| end of epoch {epoch} | train {train_loss:.2f} | valid {val_loss:.2f} | ppl {math.exp(val_loss):.1f}")
