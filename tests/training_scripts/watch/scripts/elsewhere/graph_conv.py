"""A graph network on one graph: every step sees all of it, and masks say which nodes train and which are tested."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

args_parser = argparse.ArgumentParser()
args_parser.add_argument("--seed", type=int, default=42)
args_parser.add_argument("--epochs", type=int, default=80)
args = args_parser.parse_args()
torch.manual_seed(args.seed)


def load_data(n=240, classes=4):
    labels = torch.randint(classes, (n,))
    same = labels[:, None] == labels[None]
    adj = (torch.rand(n, n) < torch.where(same, 0.06, 0.005)).float()
    adj = ((adj + adj.t() + torch.eye(n)) > 0).float()
    degree = adj.sum(1).rsqrt()
    features = 0.6 * F.one_hot(labels, classes).float() @ torch.randn(classes, 32) + torch.randn(n, 32)
    order = torch.randperm(n)
    return degree[:, None] * adj * degree[None], features, labels, order[:80], order[80:140], order[140:]


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, input, adj):
        return adj @ (input @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout=0.5):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.dropout(F.relu(self.gc1(x, adj)), self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


adj, features, labels, idx_train, idx_val, idx_test = load_data()
model = GCN(32, 16, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(args.epochs):
    model.train()
    optimizer.zero_grad()
    output = model(features, adj)
    loss_train = F.nll_loss(output[idx_train], labels[idx_train])
    loss_train.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        output = model(features, adj)
        loss_val = F.nll_loss(output[idx_val], labels[idx_val])
    if epoch % 20 == 0:
        print(f"Epoch {epoch}: train {loss_train.item():.4f} val {loss_val.item():.4f}")
model.eval()
print(f"test accuracy {(model(features, adj)[idx_test].argmax(1) == labels[idx_test]).float().mean():.3f}")
