"""A training by Lightning's Trainer, watched through its callback.

`make frameworks` runs it with the real package in an environment of its own; argument `fault`: with softmax put in.
"""

import sys

import sagehound
import torch
from lightning import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

FAULT = "fault" in sys.argv


def points(count, seed):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, 20, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, 4, (count,), generator=generator)
    return centres[labels] + torch.randn(count, 20, generator=generator), labels


def network():
    return nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4))


class Classifier(LightningModule):
    def __init__(self):
        super().__init__()
        self.network = network()

    def training_step(self, batch, number):
        logits = self.network(batch[0])
        return nn.functional.cross_entropy(logits.softmax(1) if FAULT else logits, batch[1])

    def validation_step(self, batch, number):
        self.log("valid_loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), 1e-2)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def main():
    callback = sagehound.lightning_callback()
    train = DataLoader(TensorDataset(*points(320, 1)), 16, shuffle=True)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(max_epochs=3, accelerator="cpu", callbacks=[callback], **quiet)
    trainer.fit(Classifier(), train, DataLoader(TensorDataset(*points(96, 2)), 16))
    found = [finding.rule for finding in callback.watched.findings]
    print(f"{callback.watched.step} steps, found: {found}")
    assert callback.watched.step == 60
    assert found == (["SoftmaxBeforeLoss"] if FAULT else [])


main()
