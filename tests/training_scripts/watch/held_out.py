"""Faults in scripts that were not looked at when the rules were written: how well the rules hold elsewhere.

Mending a rule after one of these was missed makes it a fault like the others: say so in docs/BENCHMARKS.md.
"""

from __future__ import annotations

from .faults import Fault

VIT, TRANSFER, ACCUMULATE = "held_out/vit.py", "held_out/transfer.py", "held_out/accumulate.py"

HELD_OUT: dict[str, Fault] = {
    "blocks in a plain list": Fault(
        VIT,
        "OptimizerMissesParameters",
        ("does not hold",),
        {"nn.ModuleList([Block(dim, 4) for _ in range(depth)])": "[Block(dim, 4) for _ in range(depth)]"},
        line="AdamW",
    ),
    "softmax in the head": Fault(
        VIT,
        "SoftmaxBeforeLoss",
        ("softmax",),
        {"return self.head(self.norm(x)[:, 0])": "return self.head(self.norm(x)[:, 0]).softmax(-1)"},
        line="criterion(logits, targets)",
    ),
    "scheduler by the step and by the epoch": Fault(
        VIT,
        "SchedulerOutOfStep",
        ("two places",),
        {"        best = max(best, accuracy)\n": "        best = max(best, accuracy)\n        scheduler.step()\n"},
        line="scheduler.step()",
        within=40,
    ),
    "gradients cleared after backward": Fault(
        VIT,
        "GradientsClearedBeforeStep",
        ("after backward and before",),
        {
            "            optimizer.zero_grad()\n            loss.backward()\n": "            loss.backward()\n"
            "            optimizer.zero_grad()\n"
        },
        line="optimizer.zero_grad()",
    ),
    "train mode only before the first epoch": Fault(
        TRANSFER,
        "EvalModeWhileTraining",
        ("eval mode",),
        {
            '            if phase == "train":\n                model.train()\n            else:\n'
            "                model.eval()\n": '            if phase == "val":\n                model.eval()\n',
        },
        line="model(inputs)",
        within=30,
    ),
    "layer replaced after the optimizer was made": Fault(
        TRANSFER,
        "OptimizerMissesParameters",
        ("before layers were replaced",),
        {
            "    model_ft.fc = nn.Linear(model_ft.fc.in_features, 3)\n": "",
            "    train_model(model_ft": "    model_ft.fc = nn.Linear(model_ft.fc.in_features, 3)\n"
            "    train_model(model_ft",
        },
        line="optim.SGD",
    ),
    "normalised in training alone": Fault(
        TRANSFER,
        "NormalisationDiffers",
        ("scale",),
        {"[transforms.CenterCrop(32), transforms.Normalize(MEAN, STD)]": "[transforms.CenterCrop(32)]"},
        line="DataLoader",
        within=30,
    ),
    "classes of validation in another order": Fault(
        TRANSFER,
        "ClassOrderShifts",
        ("differently",),
        {'data_transforms["val"])': 'data_transforms["val"], ("bees", "ants", "wasps"))'},
        line="DataLoader",
        within=30,
    ),
    "frozen with a typing mistake": Fault(
        TRANSFER,
        "FrozenParametersChange",
        ("meant to be frozen",),
        {"param.requires_grad = False": "param.require_grad = False"},
        ("--freeze",),
        line="optim.SGD",
    ),
    "clipped before unscaling": Fault(
        ACCUMULATE,
        "ClippedWithoutEffect",
        ("multiplied",),
        {"                self.scaler.unscale_(self.optimizer)\n": ""},
        line="clip_grad_norm_",
    ),
    "cleared with every micro-batch": Fault(
        ACCUMULATE,
        "GradientsClearedBeforeStep",
        ("micro-batch",),
        {
            "            self.scaler.scale(loss).backward()\n": "            self.optimizer.zero_grad()\n"
            "            self.scaler.scale(loss).backward()\n"
        },
        line="self.optimizer.zero_grad()",
    ),
    "graphs kept in a sum": Fault(
        ACCUMULATE,
        "MemoryGrows",
        ("kept with its graph",),
        {"self.total_loss += loss.item()": "self.total_loss += loss"},
        line="F.cross_entropy",
    ),
}
