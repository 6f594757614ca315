"""The network: a backbone that turns pictures into features, and a head that turns features into classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training_scripts.backbones import BACKBONES, Preprocessing
from training_scripts.heads import HEADS
from training_scripts.job import JobError
from training_scripts.unknown import Gauge, Known
from training_scripts.weights import Weights, read_state


class Classifier(nn.Module):
    """`head(backbone(pictures)) / temperature`; in head mode over frozen features the backbone is `nn.Identity`.

    The temperature is 1 while the model learns; what it is afterwards stands in model.json, not in the state_dict. Nor
    is `strangeness` in that: it is None while the model learns, and in models that cannot say what they do not know.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, temperature: float = 1.0) -> None:
        super().__init__()
        self.backbone, self.head, self.temperature = backbone, head, temperature
        self.strangeness: Strangeness | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) or (N, views, 3, H, W) normalised pictures, or (N, dim) features -> (N, classes) logits."""
        return self.logits(mean_of_views(self.backbone, x))

    def logits(self, features: Tensor) -> Tensor:
        """Map (N, dim) -> (N, classes)."""
        logits: Tensor = self.head(features)
        return logits if self.temperature == 1.0 else logits / self.temperature

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits and, (N, 1 + directions), how strange the pictures are and their coordinates.

        None in place of these where the model cannot say.
        """
        return self.judge_features(mean_of_views(self.backbone, x))

    def judge_features(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what `judge` does, of the backbone's features (N, dim)."""
        logits = self.logits(features)
        if self.strangeness is None:
            return logits, None
        coordinates = self.strangeness.coordinates(features)
        return logits, torch.cat([self.strangeness(coordinates, logits), coordinates], dim=1)


class Strangeness(nn.Module):
    """How strange pictures are beside known ones, as `unknown.strangeness` computes it."""

    centre: Tensor
    basis: Tensor
    points: Tensor

    def __init__(self, known: Known, gauge: Gauge) -> None:
        super().__init__()
        self.gauge = gauge
        for name in ("centre", "basis", "points"):
            self.register_buffer(name, torch.from_numpy(getattr(known, name)), persistent=False)

    def coordinates(self, features: Tensor) -> Tensor:
        """Return where pictures are among the points, (N, directions); see `unknown.nearest`."""
        centred = features.float() - self.centre
        lengths = centred.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-8)
        return (centred @ self.basis.T) / lengths

    def forward(self, coordinates: Tensor, logits: Tensor) -> Tensor:
        """Map (N, directions) and (N, classes) -> (N, 1): 0 for a usual picture, 1 a standard deviation off."""
        gauge = self.gauge
        cosines = coordinates @ self.points.T
        found: Tensor = (1 - cosines.amax(dim=1, keepdim=True) - gauge.distance[0]) / gauge.distance[1]
        if gauge.surprise is None:
            return found
        surprise = -logits.float().amax(dim=1, keepdim=True)
        return (found + (surprise - gauge.surprise[0]) / gauge.surprise[1]) / 2


class WithStrangeness(nn.Module):
    """A classifier that answers in one tensor: the logits and, beside them, what else `judge` says."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised pictures as `Classifier` takes them -> (N, classes) or (N, classes + 1 + directions)."""
        return _side_by_side(*self.network.judge(x))


class AfterBackbone(nn.Module):
    """What `WithStrangeness` does behind its backbone."""

    def __init__(self, network: WithStrangeness) -> None:
        super().__init__()
        self.network = network.network

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, dim) features -> (N, classes) or (N, classes + 1 + directions)."""
        return _side_by_side(*self.network.judge_features(features))


def _side_by_side(logits: Tensor, strange: Tensor | None) -> Tensor:
    return logits if strange is None else torch.cat([logits.float(), strange], dim=1)


class MeanOfHeads(nn.Module):
    """Several heads over the same features, as one: the mean of their logits."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, dim) -> (N, classes)."""
        return torch.stack([head(features) for head in self.heads]).mean(dim=0)


class SideBySide(nn.ModuleList):
    """Several backbones over the same pictures: their features one after another."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) normalised pictures -> (N, sum of dims) features."""
        return torch.cat([backbone(x) for backbone in self], dim=1)


def mean_of_views(backbone: nn.Module, x: Tensor) -> Tensor:
    """Map (N, 3, H, W) -> (N, dim) features; of (N, views, 3, H, W) the mean of the views' features."""
    if x.dim() != 5:
        features: Tensor = backbone(x)
        return features
    views: Tensor = backbone(x.flatten(0, 1))
    return views.reshape(-1, x.shape[1], views.shape[-1]).mean(dim=1)


def build(
    backbone: str, head: str, num_classes: int, weights: Weights | None = None, members: Sequence[str] = ()
) -> Classifier:
    """Return a classifier on the CPU; with `weights` None the backbone's are random and wait for `load_state_dict`.

    Its head is the mean of the heads named `members`, where there are some.
    """
    dim = BACKBONES[backbone].dim
    several = [build_head(name, dim, num_classes) for name in members]
    own = MeanOfHeads(several) if several else build_head(head, dim, num_classes)
    return Classifier(build_backbone(backbone, weights), own)


def build_head(name: str, dim: int, num_classes: int) -> nn.Module:
    """Return a head over `dim` features.

    Raises:
        JobError: there is no such head.
    """
    if name not in HEADS:
        raise JobError(f"There is no head {name}: choose one of {', '.join(HEADS)}.")
    return HEADS[name].make(dim, num_classes)


def build_backbone(name: str, weights: Weights | None = None) -> nn.Module:
    """Return a backbone: (N, 3, H, W) normalised pictures -> (N, dim) features.

    Raises:
        JobError: the weights file cannot be read or is of another network.
    """
    if weights is not None and weights.parts:
        parts = zip(BACKBONES[name].parts, weights.parts, strict=True)
        return SideBySide([build_backbone(part, own) for part, own in parts])
    if weights is not None and weights.file is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights.seed)
            return BACKBONES[name].network()
    if weights is None or weights.file is None:
        return BACKBONES[name].network()
    with torch.device("meta"):  # no time for random numbers that the file replaces
        network = BACKBONES[name].network()
    try:
        network.load_state_dict(read_state(name, weights.file), assign=True)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise JobError(f"The weights file {weights.file} is not of {name}: {lines[-1].strip()[:200]}") from error
    return network


def normalise(pictures: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Map (N, H, W, 3) uint8 -> (N, 3, H, W) float32 in channels_last order, (value / 255 - mean) / std.

    (N, views, H, W, 3) -> (N, views, 3, H, W).
    """
    if pictures.dim() == 5:
        each = normalise(pictures.flatten(0, 1), preprocessing)
        return each.reshape(-1, pictures.shape[1], *each.shape[1:])
    scale = torch.tensor([1 / (255 * std) for std in preprocessing.std], device=pictures.device)
    shift = torch.tensor(
        [-mean / std for mean, std in zip(preprocessing.mean, preprocessing.std, strict=True)], device=pictures.device
    )
    # Permuted first: OpenVINO then has whole planes to multiply, not three numbers at a time.
    planes = pictures.permute(0, 3, 1, 2).float()
    return torch.addcmul(shift.view(3, 1, 1), planes, scale.view(3, 1, 1))


class WithPreprocessing(nn.Module):
    """A network that takes pictures as they are decoded: (N, H, W, 3) uint8 -> what the network gives."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network, self.preprocessing = network, preprocessing

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalise, then ask the network."""
        result: Tensor = self.network(normalise(pictures, self.preprocessing))
        return result


def freeze(model: Classifier, backbone: str, unfreeze: str | None, pretrained: bool) -> tuple[str, ...]:
    """Let the head and, of the backbone, `last_block`, `all` or nothing (None) be trained.

    Returns the names of the backbone's modules that are in training mode while it trains. Batch norm keeps its
    pretrained statistics (only scale and shift are learned): few pictures make poor statistics, and several processes
    then compute what one would. An untrained network has none to keep and learns them.
    """
    parts = BACKBONES[backbone].last_block
    trained: list[str] = []
    for name, module in model.backbone.named_modules():
        chosen = unfreeze == "all" or (unfreeze == "last_block" and _within(name, parts))
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = chosen
        if chosen and not (pretrained and isinstance(module, nn.modules.batchnorm._BatchNorm)):
            trained.append(name)
    return tuple(trained)


def set_training_mode(model: Classifier, trained: Sequence[str]) -> None:
    """Set training mode for the head and the backbone's modules of these names, evaluation mode for all else."""
    model.eval()
    model.head.train()
    for name in trained:
        model.backbone.get_submodule(name).training = True  # not .train(), which reaches into all that is inside


def _within(name: str, modules: Sequence[str]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)
