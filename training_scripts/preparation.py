"""What a training starts with: its data, and a model on its device, as the hyperparameters ask for."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from training_scripts import data, features
from training_scripts.arguments import each_member
from training_scripts.backbones import BACKBONES, Preprocessing, channels_from
from training_scripts.distributed import World
from training_scripts.feature_store import FeaturesChannel, read_channel
from training_scripts.job import JobError, JobFolders, StopRequest
from training_scripts.network import Classifier, MeanOfHeads, build_backbone, build_head, freeze
from training_scripts.sources import FeatureSource, PictureSource, Source
from training_scripts.unknown import Known
from training_scripts.weights import find


@dataclass(slots=True)
class Setup:
    """A prepared training.

    `sources` has train and perhaps valid and test. `trained_modules` names the backbone's modules that train. Over
    frozen features the model's backbone is `nn.Identity`, `backbone_state` the file with the real one's state_dict, and
    `known_file` what known pictures look like, where that could be learned; `known` is the same once it has been read,
    or learned from the network's own features.
    """

    model: Classifier
    sources: dict[str, Source]
    classes: tuple[str, ...]
    device: torch.device
    preprocessing: Preprocessing
    weights: str
    dataset_version: str
    trained_modules: tuple[str, ...] = ()
    backbone_state: Path | None = None
    known_file: Path | None = None
    known: Known | None = None
    world: World = field(default_factory=World)


ReadFeatures = Callable[[Path], FeaturesChannel]
"""Reads a features channel; a process that does many trials keeps what it has read."""


def prepare(
    args: Namespace,
    folders: JobFolders,
    stop: StopRequest,
    world: World,
    stack: ExitStack,
    read_features: ReadFeatures = read_channel,
) -> Setup:
    """Read the data and build the model; what must be cleaned up afterwards is put on `stack`.

    Raises:
        JobError: data, weights and hyperparameters do not allow this training.
    """
    if over_features(args):
        channel = folders.channels.get("features")
        if channel is None:
            channel = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sagehound-features-")))
            features.make_channel(args, folders, channel, stop)
        return _over_features(args, read_features(channel))
    world.join(stack)
    return _over_pictures(args, folders, world)


def _over_features(args: Namespace, channel: FeaturesChannel) -> Setup:
    """Return a head over frozen features, on the CPU: the steps are too small to be worth a GPU, or a second thread."""
    if channel.backbone != args.backbone:
        raise JobError(f"The frozen features are of {channel.backbone}, the job asks for {args.backbone}.")
    if channel.preprocessing.framing != args.preprocessing:
        raise JobError(
            f"The frozen features are of pictures after {channel.preprocessing.framing}, "
            f"the job asks for {args.preprocessing}."
        )
    found, asked = channel.preprocessing, {"views": args.views, "frame": args.frame}
    for name, value in {**asked, "channels": channels_from(args.channels)}.items():
        if getattr(found, name) != value:
            raise JobError(f"The frozen features have {name} {getattr(found, name)}, the job asks for {value}.")
    torch.set_num_threads(1)
    model = Classifier(nn.Identity(), _head(args, len(channel.classes)))
    sources: dict[str, Source] = {
        split: FeatureSource(found, channel.left_out.get(split, ()))
        for split, found in channel.sets.items()
        if len(found.labels)
    }
    return Setup(
        model,
        sources,
        channel.classes,
        torch.device("cpu"),
        channel.preprocessing,
        channel.weights,
        channel.dataset_version,
        backbone_state=channel.backbone_state,
        known_file=channel.known_file,
    )


def over_features(args: Namespace) -> bool:
    """Whether a job trains a head over frozen features, which takes one process and no GPU."""
    return bool(args.mode == "head" and args.features == "auto")


def _over_pictures(args: Namespace, folders: JobFolders, world: World) -> Setup:
    """Return the whole network; the backbone frozen (head mode) or trained in part or whole (fine_tune)."""
    splits = data.load_channels(dict(folders.channels))
    classes = splits["train"].classes
    preprocessing = features.preprocessing_for(args, splits["train"])
    weights = find(args.backbone, args.weights, args.seed, folders.channels)
    device, cores = world.device(), max(data.cores() // world.local_size, 1)
    threads = args.num_workers or cores
    torch.set_num_threads(cores)
    model = Classifier(build_backbone(args.backbone, weights), _head(args, len(classes)))
    modules = freeze(model, args.backbone, None if args.mode == "head" else args.unfreeze, weights.is_pretrained)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    sources: dict[str, Source] = {
        split: PictureSource(
            split,
            samples,
            preprocessing,
            device=device,
            threads=threads,
            augmentation=args.augmentation if split == "train" else "none",
            seed=args.seed,
            share=(world.rank, world.size),
        )
        for split, samples in splits.items()
    }
    return Setup(
        model,
        sources,
        classes,
        device,
        preprocessing,
        weights.identity,
        splits["train"].dataset_version,
        trained_modules=modules,
        world=world,
    )


def _head(args: Namespace, classes: int) -> nn.Module:
    """Return the head, whose first weights follow from the seed alone, with and without a backbone before it."""
    if args.members:
        return MeanOfHeads([_head(member, classes) for member in each_member(args)])
    torch.manual_seed(args.seed)
    return build_head(args.head, BACKBONES[args.backbone].dim, classes)
