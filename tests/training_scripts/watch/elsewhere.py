"""Faults in scripts of styles that the rules were not written for: no optimizer, two of them, folds, graphs, a teacher.

They were written before the rules were tried on them; docs/RULES.md says how many were found at first sight.
"""

from __future__ import annotations

from .faults import Fault

LSTM, UNET, VAE, VIT = (f"elsewhere/{name}.py" for name in ("word_lstm", "unet", "vae", "vit_warmup"))
VIEWS, MICRO, EMA, DISTILL = (
    f"elsewhere/{name}.py" for name in ("contrastive", "accumulate_by_hand", "ema_swa", "distill")
)
GRAPH, FOLDS, POLICY, WGAN = (f"elsewhere/{name}.py" for name in ("graph_conv", "kfold", "policy", "wgan"))

ELSEWHERE: dict[str, Fault] = {
    "hidden state keeps its graph": Fault(
        LSTM,
        "MemoryGrows",
        ("kept with",),
        {"        hidden = repackage_hidden(hidden)\n": "", "loss.backward()": "loss.backward(retain_graph=True)"},
        line="model(data, hidden)",
    ),
    "zero_grad forgotten without an optimizer": Fault(
        LSTM, "GradientsNotCleared", ("never cleared",), {"        model.zero_grad()\n": ""}, line="loss.backward()"
    ),
    "masks from 0 to 255": Fault(
        UNET,
        "OutputsUnlikeLabels",
        ("between 0 and 1",),
        {"return (array > 127).float()": "return array.float()"},
        line="self.criterion",
    ),
    "train mode only at the start": Fault(
        UNET,
        "EvalModeWhileTraining",
        ("eval mode",),
        {"            self.net.train()\n": "", "    net.train()\n    return": "    return"},
        line="self.net(",
        within=25,
    ),
    "sigmoid twice in a decoder": Fault(
        VAE,
        "SoftmaxBeforeLoss",
        ("igmoid",),
        {"F.binary_cross_entropy(": "F.binary_cross_entropy_with_logits("},
        line="binary_cross_entropy_with_logits",
    ),
    "encoder cut off": Fault(
        VAE,
        "ParametersNeverChange",
        ("No gradient reaches",),
        {"h1 = F.relu(self.bn1(self.fc1(x)))": "h1 = F.relu(self.bn1(self.fc1(x))).detach()"},
        line="model(data)",
    ),
    "warm-up by the epoch, from 0": Fault(
        VIT,
        "ParametersNeverChange",
        ("learning rate is 0",),
        {"        scheduler.step()\n    model.eval()": "    scheduler.step()\n    model.eval()"},
        line="AdamW",
    ),
    "second optimizer never steps": Fault(
        VIEWS,
        "ParametersNeverChange",
        ("never steps",),
        {"            opt_head.step()\n": ""},
        line="torch.optim.Adam",
        within=40,
    ),
    "step with every micro-batch": Fault(
        MICRO,
        "GradientsNotCleared",
        ("too seldom",),
        {
            "        if (i + 1) % accumulation_steps == 0:\n            optimizer.step()\n": ""
            "        optimizer.step()\n        if (i + 1) % accumulation_steps == 0:\n"
        },
        line="loss.backward()",
    ),
    "training goes on with the copy": Fault(
        EMA,
        "OptimizerMissesParameters",
        ("does not hold",),
        {"averaged = ema.averaged(model).eval()": "averaged = model = ema.averaged(model).eval()"},
        line="AdamW",
        within=25,
    ),
    "teacher in train mode": Fault(
        DISTILL,
        "TrainModeWhileEvaluating",
        ("train mode",),
        {"    teacher.eval()\n    student.train()\n": "    teacher.train()\n    student.train()\n"},
        line="teacher(inputs)",
    ),
    "dropout of functional in evaluation": Fault(
        GRAPH,
        "TrainModeWhileEvaluating",
        ("F.dropout",),
        {"self.dropout, training=self.training)": "self.dropout)"},
        line="model(features, adj)",
    ),
    "one network for all folds": Fault(
        FOLDS,
        "SplitsShareInputs",
        ("trained on",),
        {
            "    for train_loader, val_loader in loaders:\n        model = build()\n": "    model = build()\n"
            "    for train_loader, val_loader in loaders:\n"
        },
        line="DataLoader",
        within=80,
    ),
    "gradients of episodes add up": Fault(
        POLICY, "GradientsNotCleared", ("never cleared",), {"    optimizer.zero_grad()\n": ""}, line="loss.backward()"
    ),
    "generator's gradients never cleared": Fault(
        WGAN,
        "GradientsNotCleared",
        ("never cleared",),
        {"        optimizer_G.zero_grad()\n": ""},
        line="g_loss.backward()",
        within=30,
    ),
}
