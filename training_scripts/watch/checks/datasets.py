"""What a DataLoader and its dataset say of themselves: classes, transforms, items, and where they were made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..code_site import Site
from ..state import Loader


def loader_site(loader: Loader | None, otherwise: Site) -> Site:
    """Return where a loader was made, as far as that is known."""
    return loader.made if loader is not None and loader.made.file else otherwise


def classes_of(dataset: Any) -> list[str]:
    """Return the class names of a dataset in the order of their numbers, empty where it does not say."""
    for inner in _unwrapped(dataset):
        index = getattr(inner, "class_to_idx", None)
        if isinstance(index, dict) and index and all(isinstance(value, int) for value in index.values()):
            return [str(name) for name, _ in sorted(index.items(), key=lambda item: item[1])]
    for inner in _unwrapped(dataset):
        names = getattr(inner, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return list(names)
    return []


def transforms_of(dataset: Any) -> Iterator[Any]:
    """Yield the transforms of a dataset, those inside of others too."""
    for inner in _unwrapped(dataset):
        for name in ("transform", "transforms", "tf", "augment", "augmentation", "preprocess"):
            value = getattr(inner, name, None)
            if value is not None and not isinstance(value, str | bool | int | float):
                yield from _flat(value, 0)


def _flat(value: Any, depth: int) -> Iterator[Any]:
    if depth > 4:
        return
    if isinstance(value, list | tuple | nn.Sequential | nn.ModuleList):
        for item in value:
            yield from _flat(item, depth + 1)
        return
    yield value
    for name in ("transforms", "transform"):
        inside = getattr(value, name, None)
        if inside is not None and not callable(getattr(inside, "__func__", None)):
            yield from _flat(inside, depth + 1)


def _unwrapped(dataset: Any) -> Iterator[Any]:
    for _ in range(6):
        if dataset is None:
            return
        yield dataset
        parts = getattr(dataset, "datasets", None)
        dataset = parts[0] if isinstance(parts, list | tuple) and parts else getattr(dataset, "dataset", None)


def normalisation_of(dataset: Any) -> tuple[list[float], list[float]] | None:
    """Return mean and standard deviation by which its transforms normalise; None where none does."""
    for item in transforms_of(dataset):
        if type(item).__name__ == "Normalize" and hasattr(item, "mean") and hasattr(item, "std"):
            return [float(value) for value in item.mean], [float(value) for value in item.std]
    return None


def items_of(dataset: Any) -> tuple[Any, set[int] | None]:
    """Return the dataset behind subsets, and the numbers that are taken of it; None for all."""
    items: list[int] | None = None
    while isinstance(dataset, torch.utils.data.Subset):
        here = [int(at) for at in dataset.indices]
        items = here if items is None else [here[at] for at in items]
        dataset = dataset.dataset
    return dataset, None if items is None else set(items)
