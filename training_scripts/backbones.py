"""The backbones there are, as plain data: no torch here, so that forms and checks can read it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


Framing = Literal["crop", "squash", "pad"]
FRAMINGS: tuple[Framing, ...] = get_args(Framing)
"""How a picture becomes a square; the first is the default."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes a backbone's input, a square of `size` x `size` pixels.

    `framing` "crop": the shorter side is scaled to `resize` pixels and the central square is cut out. "squash": the
    whole picture is scaled to the square, whatever its shape. "pad": the whole picture keeps its shape, and what is
    missing to the square gets the mean colour. Then each channel (RGB, 0…1) becomes (value - mean) / std. `levels` are
    the values of black and white in pictures with more than 8 bits a channel, of which the dataset had some.
    """

    size: int = 224
    resize: int = 256
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    framing: Framing = FRAMINGS[0]
    levels: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, read back by `from_json`."""
        return {
            "size": self.size,
            "resize": self.resize,
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "framing": self.framing,
            "levels": None if self.levels is None else list(self.levels),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Return the inverse of `to_json`; models of earlier versions have neither framing nor levels.

        Raises:
            ValueError: the framing is none that is known.
        """
        framing, levels = data.get("framing", FRAMINGS[0]), data.get("levels")
        if framing not in FRAMINGS:
            raise ValueError(f"the framing {framing} is not known")
        return cls(
            data["size"],
            data["resize"],
            tuple(data["mean"]),
            tuple(data["std"]),
            data["interpolation"],
            framing,
            None if levels is None else (float(levels[0]), float(levels[1])),
        )


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network without its classifier, pretrained on ImageNet.

    `dim` is the number of features a picture gives. `weights_file` is the file's name, of about `megabytes` MB, found
    at `url` ("" for the one that comes in a Python package); its SHA-256 begins with `sha256_prefix`. `last_block`
    names the modules that `unfreeze=last_block` trains. `bfloat16` tells whether its features bear that precision
    (runtime.py).
    """

    name: str
    title: str
    dim: int
    weights_file: str
    sha256_prefix: str
    megabytes: float
    last_block: tuple[str, ...]
    url: str = ""
    preprocessing: Preprocessing = Preprocessing()
    bfloat16: bool = False

    @property
    def bundled(self) -> bool:
        """Whether the weights come with the installation and need no network."""
        return not self.url


_TORCH_HUB = "https://download.pytorch.org/models/"


class _Hub(TypedDict):
    weights_file: str
    url: str
    sha256_prefix: str


def _hub(file: str) -> _Hub:
    """URL, file name and checksum prefix of a file on torch's model hub, whose names end in `-<sha256 prefix>.pth`."""
    return {
        "weights_file": file,
        "url": _TORCH_HUB + file,
        "sha256_prefix": file.rpartition("-")[2].removesuffix(".pth"),
    }


_ALL = (
    Backbone(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        1280,
        weights_file="efficientnet-lite0-57934424.pth",
        sha256_prefix="57934424",
        megabytes=18.0,
        last_block=("blocks.15", "conv_head", "bn_head"),
        preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic"),
    ),
    Backbone(
        "resnet18",
        "ResNet-18",
        512,
        **_hub("resnet18-f37072fd.pth"),
        megabytes=44.7,
        last_block=("layer4",),
        bfloat16=True,
    ),
    Backbone(
        "resnet50",
        "ResNet-50",
        2048,
        **_hub("resnet50-11ad3fa6.pth"),
        megabytes=97.8,
        last_block=("layer4",),
        preprocessing=Preprocessing(resize=232),
        bfloat16=True,
    ),
    Backbone(
        "mobilenet_v3_large",
        "MobileNetV3 Large",
        960,
        **_hub("mobilenet_v3_large-5c1a4163.pth"),
        megabytes=21.1,
        last_block=("features.15", "features.16"),
        preprocessing=Preprocessing(resize=232),
    ),
    Backbone(
        "efficientnet_b0",
        "EfficientNet-B0",
        1280,
        **_hub("efficientnet_b0_rwightman-7f5810bc.pth"),
        megabytes=20.5,
        last_block=("features.7", "features.8"),
        preprocessing=Preprocessing(interpolation="bicubic"),
    ),
    Backbone(
        "convnext_tiny",
        "ConvNeXt Tiny",
        768,
        **_hub("convnext_tiny-983f1562.pth"),
        megabytes=109.1,
        last_block=("features.7", "norm"),
        preprocessing=Preprocessing(resize=236),
    ),
)
BACKBONES: dict[str, Backbone] = {backbone.name: backbone for backbone in _ALL}
"""Every backbone by its name; the first is the default."""
DEFAULT_BACKBONE = _ALL[0].name
HEADS = ("linear", "linear_dropout_batchnorm")
