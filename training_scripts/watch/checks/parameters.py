"""What the optimizer holds, and how far its parameters move."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..check_base import Check
from ..session import Session
from ..state import NORMALISATIONS, Loss, Model, Optimizer, alive, sizes, snapshot

JUDGED_STEP = 3
"""Step at which every optimizer of a loop has stepped and gradients are where they come to be."""
DECOUPLED = ("AdamW", "NAdam", "RAdam", "Adafactor", "Muon")


class Holding(Check):
    """The optimizer holds what the model trains, each parameter once, and nothing that is frozen or gone."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._idle = 0

    def before_step(self, known: Optimizer) -> None:
        """Judge once, in an early step, while gradients are there; look later whether the model was replaced."""
        session = self.session
        if known is not session.optimizers.main:
            return
        if known.steps == JUDGED_STEP - 1:
            self._twice(known)
            self._decay(known)
            for model in session.trained_models() or [m for m in session.models.values() if m.trained]:
                self._missing(model, known)
        if known.steps >= JUDGED_STEP and session.pace.watching:
            self._replaced(known)

    def _replaced(self, known: Optimizer) -> None:
        """Find a model that took the place of the one that the optimizer holds: a copy, or one loaded from a file."""
        session, model = self.session, self.session.model
        sample = known.sample()
        if model is None or session.backward_seq < known.step_seq or any(_has_gradient(item) for item in sample):
            self._idle = 0
            return
        held = session.optimizers.held()
        parameters = [(name, item) for name, item in model.inner.named_parameters() if item.grad is not None]
        names = [name for name, item in parameters if id(item) not in held]
        self._idle = self._idle + 1 if sample and names and len(names) == len(parameters) else 0
        if self._idle >= JUDGED_STEP:
            self.found(
                "OptimizerMissesParameters",
                f"The model was replaced by another one, and the optimizer does not hold {listed(names)}: it trains "
                "the old one.",
                f"In {self._idle} steps in a row only parameters had gradients that no optimizer holds.",
                "Load a state into the model that is there (load_state_dict), or make the optimizer again.",
                known.made if known.made.file else known.stepped_at,
                tensors=names,
            )

    def _twice(self, known: Optimizer) -> None:
        owners: dict[int, list[Optimizer]] = {}
        for other in self.session.optimizers.all:
            if other.steps and other.step_seq >= known.first_seq:  # another may have had its time before
                for item in other.parameters():
                    owners.setdefault(id(item), []).append(other)
        twice = [ids for ids, held in owners.items() if len(held) > 1]
        if not twice:
            self.looked("OptimizerHoldsTwice")
            return
        names = self._names(twice)
        both = len({id(item) for item in owners[twice[0]]}) > 1
        self.found(
            "OptimizerHoldsTwice",
            f"{'Two optimizers hold' if both else 'The optimizer holds'} the same parameters"
            f"{'' if both else ' twice'}: each step moves them two times.",
            f"{len(twice)} parameters are held twice: {listed(names)}.",
            "Give each parameter to one optimizer, once.",
            known.made,
            tensors=names,
        )

    def _missing(self, model: Model, known: Optimizer) -> None:
        held = self.session.optimizers.held()
        parameters = [(name, item) for name, item in model.inner.named_parameters() if item.requires_grad]
        missing = [at for at, (_, item) in enumerate(parameters) if id(item) not in held and item.grad is not None]
        self._unregistered(model, known, held)
        held_at = [at for at, (_, item) in enumerate(parameters) if id(item) in held]
        inside = {id(item) for other in self.session.models.values() for item in other.module.parameters()}
        strangers = [item for item in known.parameters() if id(item) not in inside and item.grad is None]
        if not missing or (held_at and max(missing) < min(held_at) and not strangers):
            # What comes before the part that is trained may be left as it is: a backbone under a new head.
            self.looked("OptimizerMissesParameters")
            return
        names = [parameters[at][0] for at in missing]
        replaced = " The optimizer holds parameters that are not in the model any more." if strangers else ""
        self.found(
            "OptimizerMissesParameters",
            "The optimizer was made before layers were replaced: it holds the old ones, and the new ones never change."
            if strangers
            else f"The optimizer does not hold {listed(names)}: they get gradients and never change.",
            f"{len(missing)} of {len(parameters)} parameters with gradients are held by no optimizer.{replaced}",
            "Make the optimizer after the model is complete, from model.parameters().",
            known.made if known.made.file else known.stepped_at,
            tensors=names,
        )

    def _unregistered(self, model: Model, known: Optimizer, held: set[int]) -> None:
        """Look for layers in a plain list or dictionary, which a module does not see: no optimizer trains them."""
        names = [
            f"{f'{path}.' if path else ''}{attribute}"
            for path, module in model.inner.named_modules()
            for attribute, value in vars(module).items()
            if attribute != "_modules" and _trains_unseen(value, held)
        ]
        if names:
            self.found(
                "OptimizerMissesParameters",
                f"The optimizer does not hold {listed(names)}: layers in a plain list are not part of the model.",
                f"The layers in {listed(names)} get gradients, and model.parameters() does not have them.",
                "Keep layers in nn.ModuleList, nn.ModuleDict or nn.Sequential.",
                known.made if known.made.file else known.stepped_at,
                tensors=names,
            )

    def _decay(self, known: Optimizer) -> None:
        normalising = {
            id(item)
            for model in self.session.models.values()
            for module in model.module.modules()
            if isinstance(module, NORMALISATIONS)
            for item in module.parameters(recurse=False)
        }
        optimizer = known.optimizer()
        most = 0.1 if type(optimizer).__name__ in DECOUPLED else 0.01
        strong = [
            group
            for group in known.groups
            if group.get("weight_decay", 0) > most and _any_of(group["params"], normalising)
        ]
        if not strong:
            self.looked("WeightDecayOnNormalisation")
            return
        decay = strong[0]["weight_decay"]
        self.found(
            "WeightDecayOnNormalisation",
            f"A weight decay of {decay:g} pulls the scales of normalisation layers to zero.",
            f"{sum(id(item) in normalising for item in strong[0]['params'])} parameters of such layers have it.",
            "Put biases and normalisation layers into a group of their own with weight_decay=0.",
            known.made,
            [(self.session.step, float(decay), most)],
        )

    def _names(self, ids: Sequence[int]) -> list[str]:
        wanted = set(ids)
        return [
            name
            for model in self.session.models.values()
            for name, item in model.inner.named_parameters(remove_duplicate=False)
            if id(item) in wanted
        ]


class Motion(Check):
    """Trained parameters change, frozen ones do not, and steps are in proportion to the weights."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._names: list[str] = []
        self._held: Sequence[weakref.ref[Tensor]] = ()
        self._owner = torch.empty(0, dtype=torch.long)
        self._of: Optimizer | None = None
        self._first: Tensor | None = None
        self._before: Tensor | None = None
        self._grads: dict[int, bool] = {}
        self._ratios: list[tuple[int, float, float]] = []
        self._losses: list[float] = []

    @property
    def _parameters(self) -> list[Tensor]:
        """Return the parameters that are compared; none once one of them is gone."""
        held = alive(self._held)
        return held if len(held) == len(self._held) else []

    def computed(self, loss: Loss) -> None:
        """Keep the first losses, against which long steps are judged."""
        if loss.trains and self.session.pace.heavy and loss.value.numel() == 1:
            self._losses.append(float(loss.value))

    def before_step(self, known: Optimizer) -> None:
        """Look at the numbers before the step."""
        self._before = None
        if known is not self.session.optimizers.main or not self.session.pace.heavy:
            return
        if self._of is not known or not self._parameters:
            self._take(known)
        if parameters := self._parameters:
            self._before = snapshot(parameters)
            if self._first is None:
                self._first = self._before
            for item in parameters:
                self._grads[id(item)] = self._grads.get(id(item), False) or item.grad is not None

    def after_step(self, known: Optimizer) -> None:
        """Compare with the numbers after it."""
        if self._before is None or self._first is None or known is not self.session.optimizers.main:
            return
        if not (parameters := self._parameters):
            return
        after, before = snapshot(parameters), self._before
        owner, count = self._owner.to(after.device), len(parameters)
        moved, size, change = torch.zeros(3, count, device=after.device)
        moved.index_add_(0, owner, (after - before).square())
        size.index_add_(0, owner, before.square())
        change.scatter_reduce_(0, owner, (after - self._first).abs(), "amax")
        numbers = torch.stack([moved.sqrt(), size.sqrt(), change], dim=1).cpu().tolist()
        self._before = None
        known.rates.append(max((float(group.get("lr", math.nan)) for group in known.groups), default=0.0))
        self._frozen(known, numbers)
        self._proportion(known, numbers)
        if self.session.step >= 8:
            self._still(known, numbers)

    def _take(self, known: Optimizer) -> None:
        names = {
            id(item): name for model in self.session.models.values() for name, item in model.inner.named_parameters()
        }
        embeddings = {
            id(item)
            for model in self.session.models.values()
            for module in model.module.modules()
            if isinstance(module, nn.Embedding | nn.EmbeddingBag)
            for item in module.parameters()
        }
        parameters = [item for item in known.parameters() if id(item) not in embeddings and item.numel()]
        self._of, self._first, self._grads = known, None, {}
        self._held = [weakref.ref(item) for item in parameters]
        self._names = [names.get(id(item), "?") for item in parameters]
        counts = torch.tensor(sizes(parameters), dtype=torch.long)
        self._owner = torch.repeat_interleave(torch.arange(len(counts)), counts)

    def _frozen(self, known: Optimizer, numbers: list[list[float]]) -> None:
        moved = [
            name
            for item, name, (step, _, _) in zip(self._parameters, self._names, numbers, strict=True)
            if not item.requires_grad and step > 0
        ]
        typed = [
            name
            for item, name in zip(self._parameters, self._names, strict=True)
            if {"require_grad", "requires_gradient", "required_grad", "requiresgrad"} & set(item.__dict__)
        ]
        modules = [
            name or model.name
            for model in self.session.models.values()
            for name, module in model.inner.named_modules()
            if module.__dict__.get("requires_grad") is False and any(item.requires_grad for item in module.parameters())
        ]
        if not moved and not typed and not modules:
            self.looked("FrozenParametersChange")
            return
        if moved:
            cause = f"{listed(moved)} is frozen and the optimizer still changes it, by weight decay or momentum."
            remedy = "Give the optimizer only parameters with requires_grad, or set their gradients to None."
        else:
            cause = (
                f"{listed(typed or modules)} was meant to be frozen, but that attribute does nothing: it still trains."
            )
            remedy = "Call module.requires_grad_(False), or set requires_grad of each parameter."
        names = moved or typed or modules
        self.found("FrozenParametersChange", cause, f"{len(names)} of them change.", remedy, known.made, tensors=names)

    def _still(self, known: Optimizer, numbers: list[list[float]]) -> None:
        trained = [
            (name, item, change)
            for item, name, (_, _, change) in zip(self._parameters, self._names, numbers, strict=True)
            if item.requires_grad
        ]
        still = [(name, item) for name, item, change in trained if change == 0]
        if not still:
            self.looked("ParametersNeverChange")
            return
        rates = {id(item): group.get("lr", math.nan) for group in known.groups for item in group["params"]}
        without_rate = [name for name, item in still if float(rates.get(id(item), 1)) == 0]
        without_gradient = [name for name, item in still if not self._grads.get(id(item))]
        everything = len(still) == len(trained)
        if without_rate and not any(known.rates):
            cause, remedy, names = "The learning rate is 0.", "Give the optimizer a learning rate.", without_rate
        elif without_rate and len(without_rate) < len(trained):
            cause, names = f"The learning rate of {listed(without_rate)} is 0.", without_rate
            remedy = "Give their parameter group a learning rate, or leave them out of the optimizer."
        elif without_gradient and (everything or self._cut(without_gradient)):
            names = without_gradient
            cause = f"No gradient reaches {listed(names)}: it is cut off from the loss."
            remedy = "Look for detach(), .data, no_grad() or a conversion to numbers between it and the loss."
        elif everything:
            cause, names = "No parameter changes, though there are gradients.", [name for name, _ in still]
            remedy = "Raise the learning rate, and check that nothing sets the parameters back."
        else:
            return
        self.found(
            "ParametersNeverChange",
            cause,
            f"{len(names)} of {len(trained)} parameters have not changed in {self.session.step + 1} steps.",
            remedy,
            known.made if without_rate else self.session.sites.get("forward", known.stepped_at),
            tensors=names,
        )

    def _cut(self, names: Sequence[str]) -> bool:
        """Whether layers without a gradient were used all the same: the session saw them answer in a forward."""
        called = self.session.called
        return bool(called) and any(name.rpartition(".")[0] in called for name in names)

    def _proportion(self, known: Optimizer, numbers: list[list[float]]) -> None:
        """Judge the size of a step of a weight relative to the weight, by the median weight."""
        ratios = sorted(
            step / size
            for item, (step, size, _) in zip(self._parameters, numbers, strict=True)
            if item.requires_grad and item.ndim >= 2 and size > 1e-6 and step > 0
        )
        if not ratios or math.isnan(known.rates[-1]):
            return
        median = ratios[len(ratios) // 2]
        self._ratios.append((self.session.step, median, known.rates[-1]))
        self.looked("UpdateOutOfProportion")
        evidence = [(step, ratio, None) for step, ratio, _ in self._ratios]
        large = [ratio for _, ratio, _ in self._ratios[:4] if ratio > 0.5]
        if len(large) >= 2 and self.session.step >= 3 and self._not_better():
            self.found(
                "UpdateOutOfProportion",
                f"The learning rate {known.rates[0]:g} is too high: single steps are as large as the weights.",
                f"A step changed the median weight by {100 * max(large):.3g} % of its size.",
                f"Lower the learning rate, to {known.rates[0] * 0.01 / max(large):.1g} or so.",
                known.made,
                evidence,
            )
        rising = any(rate > known.rates[0] * 1.2 for rate in known.rates)
        if self.session.step >= 10 and not rising and all(ratio < 5e-6 for _, ratio, _ in self._ratios):
            largest = max(ratio for _, ratio, _ in self._ratios)
            self.found(
                "UpdateOutOfProportion",
                f"The learning rate {known.rates[0]:g} is too low: steps hardly move the weights.",
                f"A step changed the median weight by {100 * largest:.3g} % of its size at most.",
                f"Raise the learning rate, to {known.rates[0] * 1e-3 / max(largest, 1e-12):.1g} or so.",
                known.made,
                evidence,
            )

    def _not_better(self) -> bool:
        return len(self._losses) < 2 or not min(self._losses[-2:]) < 0.8 * self._losses[0]


def _trains_unseen(value: object, held: set[int]) -> bool:
    """Whether a plain list, tuple or dictionary has layers with gradients that no optimizer holds."""
    items = list(value.values()) if type(value) is dict else value
    return isinstance(items, list | tuple) and any(
        parameter.grad is not None and id(parameter) not in held
        for item in items[:64]
        if isinstance(item, nn.Module)
        for parameter in item.parameters()
    )


def listed(names: Sequence[str]) -> str:
    """Return the first two of some names, and how many more there are."""
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{' and '.join(names[:2]) if not more else ', '.join(names[:2])}{more}"


def _has_gradient(item: Tensor) -> bool:
    return item.grad is not None and bool(item.grad.any())


def _any_of(parameters: Sequence[Tensor], ids: set[int]) -> bool:
    return any(id(item) in ids for item in parameters)
