"""A training by Hugging Face's Trainer, watched through its callback.

`make frameworks` runs it with the real package in an environment of its own; argument `fault`: with softmax put in.
"""

import sys
import tempfile

import sagehound
import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

FAULT = "fault" in sys.argv


def points(count, seed):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, 20, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, 4, (count,), generator=generator)
    return centres[labels] + torch.randn(count, 20, generator=generator), labels


def network():
    return nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, x, labels):
        logits = self.network(x)
        loss = nn.functional.cross_entropy(logits.softmax(1) if FAULT else logits, labels)
        return {"loss": loss, "logits": logits}


class Points(Dataset):
    def __init__(self, count, seed):
        self.x, self.labels = points(count, seed)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, at):
        return {"x": self.x[at], "labels": self.labels[at]}


def main():
    callback = sagehound.transformers_callback()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=3,
            per_device_train_batch_size=16,
            eval_strategy="epoch",
            save_strategy="no",
            learning_rate=1e-2,
            use_cpu=True,
            report_to=[],
        )
        callbacks = [callback]
        Trainer(
            Classifier(), arguments, train_dataset=Points(320, 1), eval_dataset=Points(96, 2), callbacks=callbacks
        ).train()
    found = [finding.rule for finding in callback.watched.findings]
    print(f"{callback.watched.step} steps, found: {found}")
    assert callback.watched.step == 60
    assert found == (["SoftmaxBeforeLoss"] if FAULT else [])


main()
