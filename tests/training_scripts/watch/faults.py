"""Silent faults, seeded into the scripts of public style, and the invariant that each one breaks.

A fault is a change of a script's text, as somebody would make it by mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault. `rule` is what must find it; `words` must stand in the cause."""

    script: str
    rule: str
    words: tuple[str, ...]
    changes: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    line: str = ""
    """Part of the line of the script that the finding must name."""
    within: int = 20
    """Steps until it must be found; those that show in an evaluation or at the end of a pass need longer."""


DIGITS, RESNET, TUNE, TABLE = "digits_cnn.py", "pictures_resnet.py", "fine_tune.py", "tabular_mlp.py"
REGRESSION, GRU, TRANSFORMER, GAN = "regression.py", "text_gru.py", "transformer.py", "gan.py"
MIXED, HAND = "mixed_precision.py", "by_hand.py"
SPIRALS, PHOTOS = "spirals.py", "serve_photos.py"

FAULTS: dict[str, Fault] = {
    # The loop
    "zero_grad forgotten": Fault(
        DIGITS,
        "GradientsNotCleared",
        ("never cleared",),
        {"        optimizer.zero_grad()\n": ""},
        line="loss.backward()",
    ),
    "zero_grad once an epoch": Fault(
        RESNET,
        "GradientsNotCleared",
        ("never cleared",),
        {
            "            optimizer.zero_grad()\n": "",
            "        running = 0.0\n": "        running = 0.0\n        optimizer.zero_grad()\n",
        },
        line="loss.backward()",
    ),
    "zero_grad between backward and step": Fault(
        REGRESSION,
        "GradientsClearedBeforeStep",
        ("after backward and before",),
        {
            "            optimizer.zero_grad()\n            loss.backward()\n            optimizer.step()\n": "            loss.backward()\n"
            "            optimizer.zero_grad()\n            optimizer.step()\n"
        },
        line="optimizer.zero_grad()",
    ),
    "step before backward": Fault(
        HAND,
        "StepBeforeBackward",
        ("before backward",),
        {"        loss.backward()\n        optimizer.step()\n": "        optimizer.step()\n        loss.backward()\n"},
        line="optimizer.step()",
    ),
    "backward forgotten": Fault(
        TABLE, "StepBeforeBackward", ("never called",), {"            loss.backward()\n": ""}, line="optimizer.step()"
    ),
    "loss maximised": Fault(
        RESNET, "LossMaximised", ("minus",), {"loss.backward()": "(-loss).backward()"}, line="(-loss).backward()"
    ),
    "optimizer made in every step": Fault(
        HAND,
        "OptimizerRemade",
        ("momentum",),
        {
            "        model.zero_grad()\n": "        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)\n        model.zero_grad()\n"
        },
        line="torch.optim.Adam",
    ),
    "scheduler stepped twice": Fault(
        REGRESSION,
        "SchedulerOutOfStep",
        ("two places",),
        {
            "            scheduler.step()\n": "            scheduler.step()\n            scheduler.step()\n",
            "steps + 200": "4 * steps",
        },
        line="scheduler.step()",
    ),
    "scheduler in the batch loop and after it": Fault(
        DIGITS,
        "SchedulerOutOfStep",
        ("two places",),
        {
            "def train(model, loader, optimizer):": "def train(model, loader, optimizer, scheduler):",
            "        optimizer.step()\n": "        optimizer.step()\n        scheduler.step()\n",
            "train(model, train_loader, optimizer)": "train(model, train_loader, optimizer, scheduler)",
        },
        line="scheduler.step()",
    ),
    "scheduler before the optimizer": Fault(
        RESNET,
        "SchedulerOutOfStep",
        ("before the optimizer",),
        {
            "        scheduler.step()\n": "",
            "        model.train()\n        running": "        scheduler.step()\n        model.train()\n        running",
        },
        line="scheduler.step()",
    ),
    "clipping before backward": Fault(
        GRU,
        "ClippedWithoutEffect",
        ("no effect",),
        {
            "            loss.backward()\n            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n": "            torch.nn."
            "utils.clip_grad_norm_(model.parameters(), 1.0)\n            loss.backward()\n"
        },
        line="clip_grad_norm_",
    ),
    "clipping after the step": Fault(
        GRU,
        "ClippedWithoutEffect",
        ("no effect",),
        {
            "            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n            optimizer.step()\n": "            "
            "optimizer.step()\n            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
        },
        line="clip_grad_norm_",
    ),
    "clipping without unscaling": Fault(
        MIXED,
        "ClippedWithoutEffect",
        ("scaler",),
        {"            scaler.unscale_(optimizer)\n": ""},
        line="clip_grad_norm_",
    ),
    # The optimizer
    "optimizer made before the new head": Fault(
        TUNE,
        "OptimizerMissesParameters",
        ("before layers were replaced",),
        {
            "    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)\n": "",
            "    model.fc = nn.Linear(96, 3)\n": "    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)\n    model.fc = nn.Linear(96, 3)\n",
        },
        line="torch.optim.AdamW(model.parameters()",
    ),
    "head left out of the optimizer": Fault(
        RESNET,
        "OptimizerMissesParameters",
        ("head",),
        {
            "torch.optim.SGD(model.parameters()": "torch.optim.SGD([*model.stem.parameters(), *model.layer1.parameters(), *model.layer2.parameters()]"
        },
        line="torch.optim.SGD",
    ),
    "one optimizer for both networks": Fault(
        GAN,
        "OptimizerHoldsTwice",
        ("Two optimizers",),
        {"Adam(generator.parameters()": "Adam([*generator.parameters(), *discriminator.parameters()]"},
        line="torch.optim.Adam",
    ),
    "layer cut off by detach": Fault(
        HAND,
        "ParametersNeverChange",
        ("No gradient reaches hidden",),
        {"x = torch.relu(self.hidden(x))": "x = torch.relu(self.hidden(x)).detach()"},
    ),
    "features under no_grad": Fault(
        TUNE,
        "ParametersNeverChange",
        ("No gradient reaches features",),
        {
            "        return self.fc(self.features(x).flatten(1))": "        with torch.no_grad():\n            x = self.features(x).flatten(1)\n        return self.fc(x)",
            "    with torch.enable_grad():\n        for _ in range(60):": "    with torch.enable_grad():\n        for _ in range(1):",
        },
    ),
    "learning rate 0": Fault(
        DIGITS, "ParametersNeverChange", ("learning rate is 0",), {"lr=args.lr": "lr=0 * args.lr"}
    ),
    "frozen through the module's attribute": Fault(
        TUNE,
        "FrozenParametersChange",
        ("frozen",),
        {
            "    model.fc = nn.Linear(96, 3)\n": "    model.features.requires_grad = False\n    model.fc = nn.Linear(96, 3)\n"
        },
    ),
    "requires_grad misspelt": Fault(
        TUNE,
        "FrozenParametersChange",
        ("frozen",),
        {"parameter.requires_grad = False": "parameter.require_grad = False"},
        ("--freeze",),
    ),
    "frozen after the optimizer has momentum": Fault(
        HAND,
        "FrozenParametersChange",
        ("frozen",),
        {
            "lr=0.1)": "lr=0.1, momentum=0.9, weight_decay=1e-2)",
            "        logits = model(x[rows])\n": "        if step == 4:\n"
            "            model.hidden.requires_grad_(False)\n        logits = model(x[rows])\n",
            "        model.zero_grad()\n": "        model.zero_grad(set_to_none=False)\n",
        },
    ),
    "learning rate far too high": Fault(
        TRANSFORMER,
        "UpdateOutOfProportion",
        ("too high",),
        {"groups, lr=3e-3)": "groups, lr=3.0)", "min(1.0, (step + 1) / 10)": "1.0"},
    ),
    "learning rate far too low": Fault(
        REGRESSION,
        "UpdateOutOfProportion",
        ("too low",),
        {
            "lr=1e-3)": "lr=1e-8)",
            "torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps + 200)": "torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)",
        },
    ),
    "strong weight decay on normalisation": Fault(
        RESNET,
        "WeightDecayOnNormalisation",
        ("weight decay",),
        {"weight_decay=1e-4": "weight_decay=0.1"},
        line="torch.optim.SGD",
    ),
    # The model
    "eval mode after the first evaluation": Fault(
        MIXED,
        "EvalModeWhileTraining",
        ("eval mode",),
        {"    for epoch in range(args.epochs):\n        model.train()\n": "    for epoch in range(args.epochs):\n"},
        within=40,
        line="outputs = model(images)",
    ),
    "eval mode from the start": Fault(
        DIGITS,
        "EvalModeWhileTraining",
        ("eval mode",),
        {"    model.train()\n": "    model.eval()\n"},
        line="output = model(data)",
    ),
    "train mode while evaluating": Fault(
        DIGITS, "TrainModeWhileEvaluating", ("train mode",), {"    model.eval()\n": ""}, line="output = model(data)"
    ),
    "functional dropout in evaluation": Fault(
        DIGITS,
        "TrainModeWhileEvaluating",
        ("F.dropout",),
        {"x = self.dropout(torch.flatten(x, 1))": "x = F.dropout(torch.flatten(x, 1), 0.25)"},
        within=36,
    ),
    "softmax before cross-entropy": Fault(
        RESNET,
        "SoftmaxBeforeLoss",
        ("Softmax is applied",),
        {"return self.head(x.mean(dim=(2, 3)))": "return torch.softmax(self.head(x.mean(dim=(2, 3))), dim=1)"},
        line="criterion(outputs, labels)",
    ),
    "logits into nll_loss": Fault(
        DIGITS,
        "SoftmaxBeforeLoss",
        ("nll_loss",),
        {"return F.log_softmax(x, dim=1)": "return x"},
        line="F.nll_loss(output, target)",
    ),
    "sigmoid twice": Fault(
        TABLE,
        "SoftmaxBeforeLoss",
        ("Sigmoid",),
        {"nn.Linear(32, 1))": "nn.Linear(32, 1), nn.Sigmoid())"},
        line="criterion(output, target)",
    ),
    "shapes that broadcast": Fault(
        REGRESSION,
        "LossShapesDiffer",
        ("every output with every target",),
        {"criterion(prediction, y)": "criterion(prediction, y.squeeze(1))"},
        line="criterion(prediction",
    ),
    "head of another task": Fault(
        TUNE,
        "OutputsUnlikeLabels",
        ("outputs",),
        {"model.fc = nn.Linear(96, 3)": "model.fc = nn.Linear(96, 1000)"},
        line="criterion(model(images)",
    ),
    "labels from 1 on": Fault(
        GRU,
        "OutputsUnlikeLabels",
        ("0",),
        {
            "return self.tokens[at], self.labels[at]": "return self.tokens[at], self.labels[at] + 1",
            "nn.Linear(32, 5)": "nn.Linear(32, 6)",
        },
    ),
    # The data
    "shuffle off": Fault(DIGITS, "ShuffleOff", ("shuffle",), {", shuffle=True": ""}, line="DataLoader(digits(384"),
    "sorted by class, by hand": Fault(
        HAND,
        "ShuffleOff",
        ("sorted by class",),
        {"torch.randperm(len(x))": "torch.arange(len(x))"},
    ),
    "the same batch again and again": Fault(
        RESNET,
        "SameBatchAgain",
        ("same batch",),
        {
            "        for images, labels in train_loader:\n            outputs": "        batch = next(iter(train_loader))\n        for images, labels in [batch] * 16:\n            outputs"
        },
    ),
    "always the first rows": Fault(
        HAND,
        "SameBatchAgain",
        ("same batch",),
        {
            "order[at : at + 20]": "torch.arange(20)",
            "model(x[rows])": "model(x[:20])",
            "y[rows]": "y[:20]",
            "torch.arange(count) * 4 // count": "torch.arange(count) % 4",
        },
    ),
    "inputs not scaled": Fault(
        RESNET,
        "InputsNotScaled",
        ("not scaled",),
        {
            "picture = 0.6 * self.kinds[kind] + 0.4 * noise": "picture = 255 * (0.6 * self.kinds[kind] + 0.4 * noise)",
            "transforms.Normalize(MEAN, STD)]\n    )\n    valid": "]\n    )\n    valid",
            "transforms.Compose([transforms.Normalize(MEAN, STD)])": "transforms.Compose([])",
        },
    ),
    "features not standardised": Fault(
        TABLE,
        "InputsNotScaled",
        ("not scaled",),
        {"    x_train, x_valid = (x_train - mean) / std, (x_valid - mean) / std\n": ""},
    ),
    "inputs all alike": Fault(
        DIGITS,
        "InputsAlike",
        ("the same",),
        {"return TensorDataset((shapes[labels] +": "return TensorDataset(0 * (shapes[labels] +"},
    ),
    "validation normalised otherwise": Fault(
        RESNET,
        "NormalisationDiffers",
        ("normalised",),
        {
            "valid_tf = transforms.Compose([transforms.Normalize(MEAN, STD)])": "valid_tf = transforms.Compose([transforms.Normalize((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))])"
        },
        within=36,
    ),
    "validation not standardised": Fault(
        TABLE,
        "NormalisationDiffers",
        ("another scale",),
        {"x_train, x_valid = (x_train - mean) / std, (x_valid - mean) / std": "x_train = (x_train - mean) / std"},
        within=24,
    ),
    "not normalised as the backbone": Fault(
        TUNE,
        "NormalisationDiffers",
        ("pretrained backbone",),
        {
            "TensorDataset(*pictures(240, 3, args.seed))": "TensorDataset((lambda xy: xy[0] * 0.25 + 0.5)(xy := pictures(240, 3, args.seed)) * 0.1, xy[1])"
        },
    ),
    "augmentation on validation": Fault(
        RESNET,
        "AugmentedValidation",
        ("augmented",),
        {
            "valid_set = Pictures(96, 2 * args.seed + 2, valid_tf)": "valid_set = Pictures(96, 2 * args.seed + 2, train_tf)"
        },
        within=36,
        line="valid_loader = DataLoader",
    ),
    "class order shifts": Fault(
        RESNET,
        "ClassOrderShifts",
        ("number the classes",),
        {"2 * args.seed + 2, valid_tf)": '2 * args.seed + 2, valid_tf, ("cat", "bird", "dog", "fish"))'},
        within=36,
        line="valid_loader = DataLoader",
    ),
    "validation is training data": Fault(
        DIGITS,
        "SplitsShareInputs",
        ("trained on",),
        {"DataLoader(digits(96, generator), batch_size=32)": "DataLoader(train_loader.dataset, batch_size=32)"},
        within=36,
    ),
    "splits that overlap": Fault(
        TUNE,
        "SplitsShareInputs",
        ("trained on",),
        {
            "train_set, valid_set = random_split(dataset, [192, 48], generator=torch.Generator().manual_seed(args.seed))": "train_set, valid_set = torch.utils.data.Subset(dataset, range(192)), torch.utils.data.Subset(dataset, range(172, 240))"
        },
        within=36,
    ),
    "labels shuffled apart": Fault(
        HAND,
        "LabelsContradict",
        ("other labels",),
        {"F.cross_entropy(logits, y[rows])": "F.cross_entropy(logits, y[torch.randperm(len(y))[:20]])"},
        within=45,
    ),
    # The machine and the numbers
    "loss kept with its graph": Fault(
        REGRESSION,
        "MemoryGrows",
        ("graph",),
        {"history.append(loss.item())": "history.append(loss)", "history[-1]:.4f": "float(history[-1]):.4f"},
        line="criterion(prediction, y)",
    ),
    "loss added up with its graph": Fault(
        HAND,
        "MemoryGrows",
        ("graph",),
        {"total += loss.item()": "total += loss"},
        line="F.cross_entropy",
    ),
    "slow dataset": Fault(
        GRU,
        "LoaderStarves",
        ("waiting",),
        {
            "        return self.tokens[at], self.labels[at]": "        import time\n\n        time.sleep(0.02)\n        return self.tokens[at], self.labels[at]"
        },
        line="DataLoader(train_set",
    ),
    "NaN in a picture": Fault(
        DIGITS,
        "NaNSource",
        ("pictures",),
        {
            "    labels = torch.randint(0, 10, (count,), generator=generator)\n    return TensorDataset((shapes": "    labels = torch.randint(0, 10, (count,), generator=generator)\n"
            "    shapes[3, 0, 2, 2] = float('nan')\n    return TensorDataset((shapes"
        },
    ),
    "logarithm of zero": Fault(
        HAND,
        "NaNSource",
        ("layer", "second"),
        {"x = torch.relu(self.second(x))": "x = torch.relu(self.second(torch.log(x - x.min())))"},
    ),
    "overflow for ever": Fault(
        MIXED,
        "OverflowSkipped",
        ("skips every step",),
        {
            "loss = criterion(outputs, labels)": "loss = criterion(outputs, labels) + ((outputs - outputs) ** 2).sum().sqrt()"
        },
    ),
    # Validation and serving
    "copies saved at another size": Fault(
        PHOTOS,
        "NearDuplicates",
        ("nearly the same",),
        {
            "    kept = args": "    pictures[-20:] = interpolate(interpolate(pictures[:20], size=24, mode='bilinear'), size=32, mode='bilinear')\n    kept = args"
        },
        line="valid_loader = DataLoader",
        within=45,
    ),
    "copies with other light": Fault(
        PHOTOS,
        "NearDuplicates",
        ("nearly the same",),
        {"    kept = args": "    pictures[-20:] = pictures[:20].flip(3) * 0.8 + 0.1\n    kept = args"},
        line="valid_loader = DataLoader",
        within=45,
    ),
    "classes saved in another order": Fault(
        PHOTOS,
        "ClassOrderShifts",
        ("serving",),
        {"json.dump(train_set.classes, file)": "json.dump(sorted(train_set.classes, reverse=True), file)"},
        line="json.dump",
        within=80,
    ),
    "classes of the checkpoint in another order": Fault(
        PHOTOS,
        "ClassOrderShifts",
        ("serving",),
        {'"epoch": args.epochs': '"classes": train_set.classes[1:] + train_set.classes[:1]'},
        line="torch.save",
        within=80,
    ),
    # A network that cannot
    "no activation between the layers": Fault(
        SPIRALS,
        "Underfitting",
        ("no activation",),
        {"torch.tanh(self.inputs(x))": "self.inputs(x)", "torch.relu(self.hidden(x))": "self.hidden(x)"},
        line="model(points)",
        within=400,
    ),
    "weight decay far too strong": Fault(
        SPIRALS,
        "Underfitting",
        ("weight decay of 0.1",),
        {"torch.optim.AdamW": "torch.optim.Adam", "weight_decay=1e-2": "weight_decay=0.1"},
        line="torch.optim.Adam",
        within=400,
    ),
    "learning rate falls by the batch": Fault(
        SPIRALS,
        "Underfitting",
        ("learning rate fell",),
        {
            "            optimizer.step()\n": "            optimizer.step()\n            scheduler.step()\n",
            "criterion, optimizer=None)": "criterion, optimizer=None, scheduler=None)",
            "criterion, optimizer)\n        scheduler.step()": "criterion, optimizer, scheduler)",
            "gamma=0.97": "gamma=0.9",
        },
        line="scheduler.step()",
        within=400,
    ),
    "dropout of 95 %": Fault(
        SPIRALS, "Underfitting", ("dropout",), {"dropout=0.05": "dropout=0.95"}, line="model(points)", within=450
    ),
    "one number between the layers": Fault(
        SPIRALS, "Underfitting", ("lets 1 of",), {"hidden=48": "hidden=1"}, line="model(points)", within=450
    ),
}
