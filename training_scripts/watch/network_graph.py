"""What the graph behind a network's answers says of it: layers without an activation, and one that all must pass.

Where the data itself comes in, a graph says nothing: those places are taken for a way around, so that nothing is
said of a network of which not all is seen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MOST = 2_000
_VIEWS = {
    *("T", "View", "ReshapeAlias", "Reshape", "UnsafeView", "Transpose", "Permute", "Expand", "Squeeze", "Unsqueeze"),
    *("ToCopy", "Clone", "Alias"),
}
_WEIGHING = {"Addmm", "Mm", "Convolution"}
_JOINING = {"Add", "Sub", "Cat", "Stack", "Mm", "Bmm"}
_LINEAR = {
    *_VIEWS,
    *_WEIGHING,
    *_JOINING,
    *("Matmul", "AccumulateGrad", "Mean", "Sum", "AvgPool2D", "AdaptiveAvgPool2D", "NativeBatchNorm", "Select"),
    "Slice",
}


def layers_in_line(outputs: Tensor) -> int:
    """Return how many layers each way through a network passes that is linear as a whole, 0 where anything bends.

    Layers side by side, such as one for each of two inputs or an adapter beside a layer, are no more than one.
    """
    layers: dict[Any, int | None] = {}
    """Of each node the layers on the shortest way from the data; None where it is made of parameters alone."""
    for node, following in _nodes(outputs):
        name = _name(node)
        scales = name in ("Mul", "Div", "NativeDropout") and len(following) == 1  # by what the input does not change
        if not (name in _LINEAR or scales):
            return 0
        ways = [way for other in following if (way := layers[other]) is not None]
        if name in ("Mm", "Bmm", "Matmul") and len(ways) + _data_comes_in(node) > 1:
            return 0  # what the data weighs is the data
        if name in _WEIGHING:
            layers[node] = 1 + min(ways, default=0)
        elif _data_comes_in(node) and name in ("Add", "Sub", "Cat", "Stack"):
            layers[node] = 0
        else:
            layers[node] = min(ways, default=None)
    return (layers.get(outputs.grad_fn) or 0) if layers else 0


def is_passed_by_all(outputs: Tensor, weight: Tensor) -> bool:
    """Return whether all that a network answers has gone through the layer with this weight, once for each answer."""
    nodes = _nodes(outputs)
    of = {node: following for node, following in nodes}
    layers = [
        node
        for node, following in nodes
        if _name(node) not in _VIEWS and any(_variable(other, of) is weight for other in following)
    ]
    if len(layers) != 1 or _name(layers[0]) not in _WEIGHING:
        return False
    [layer] = layers
    if layer._input_metadata[0].shape[0] != len(outputs):  # of each word or point: together they let more through
        return False
    from_layer = {layer}
    for node, following in nodes:  # what comes before is listed before
        if not from_layer.isdisjoint(following):
            from_layer.add(node)
    waiting, beside = [outputs.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is layer or node in beside:
            continue
        beside.add(node)
        waiting += of[node]
    for node in beside:
        name = _name(node)
        if node in from_layer:
            if (name in _JOINING and _data_comes_in(node)) or (name == "Mul" and _multiplies_by_data(node)):
                return False
        elif name != "AccumulateGrad" and name not in _VIEWS:
            return False
    return layer in from_layer and outputs.grad_fn in from_layer


def _nodes(outputs: Tensor) -> list[tuple[Any, list[Any]]]:
    """Return the nodes behind outputs and what each is computed from, which is listed before; none where too many."""
    found: dict[Any, list[Any]] = {}
    done: set[Any] = set()
    order = []
    waiting = [outputs.grad_fn] if outputs.grad_fn is not None else []
    while waiting:
        node = waiting[-1]
        if node not in found:
            found[node] = [other for other, _ in node.next_functions if other is not None]
            if len(found) > _MOST:
                return []
            waiting += [other for other in found[node] if other not in found]
            continue
        waiting.pop()
        if node not in done:
            done.add(node)
            order.append((node, found[node]))
    return order


def _name(node: Any) -> str:
    return str(node.name()).split("Backward")[0].lstrip("_").removeprefix("torch::autograd::")


def _data_comes_in(node: Any) -> bool:
    """Whether something that has no gradient goes into a node, which may be the data."""
    return any(other is None for other, _ in node.next_functions)


def _multiplies_by_data(node: Any) -> bool:
    """Whether a product is one with data; a dropout's mask has two values."""
    if all(other is not None for other, _ in node.next_functions):
        return False
    parts = (getattr(node, "_saved_self", None), getattr(node, "_saved_other", None))
    return any(isinstance(part, Tensor) and len(torch.unique(part)) > 2 for part in parts)


def _variable(node: Any, of: dict[Any, list[Any]]) -> Any:
    """Return the parameter that a node is a view of, None for others."""
    while _name(node) in _VIEWS and len(of[node]) == 1:
        [node] = of[node]
    return getattr(node, "variable", None)
