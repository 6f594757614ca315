"""Check a request against botocore's model: required members, types, lengths, ranges, patterns, enums.

botocore itself checks only the first two and minima; the service checks all of it, and so does the stand-in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from tests.cloud.faults import AwsError


@cache
def operation(service: str, name: str) -> OperationModel:
    """botocore's model of an operation."""
    return _service(service).operation_model(name)


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


def validate(service: str, name: str, request: dict[str, Any]) -> None:
    """Raise AWS's ValidationException where `request` does not fit the operation's input shape."""
    shape = operation(service, name).input_shape
    problems = list(_problems(shape, request, "")) if shape is not None else []
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise AwsError("ValidationException", count + "; ".join(problems))


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            yield f"Value at '{path}' is no structure"
            return
        for name in shape.required_members:
            if name not in value:
                yield f"Value at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
        for name, item in value.items():
            if name not in shape.members:
                yield f"Unknown member '{_join(path, name)}'"
            else:
                yield from _problems(shape.members[name], item, _join(path, name))
    elif isinstance(shape, ListShape):
        yield from _length(shape, len(value), path)
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}.{index + 1}.member")
    elif isinstance(shape, MapShape):
        yield from _length(shape, len(value), path)
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{path}.key")
            yield from _problems(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from _string(shape, value, path)
    elif shape.type_name in ("integer", "long"):
        limits = shape.metadata
        if not isinstance(value, int) or not limits.get("min", value) <= value <= limits.get("max", value):
            yield f"Value '{value}' at '{path}' failed to satisfy constraint: Member must be in its range"


def _string(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"Value '{value}' at '{path}' is no string"
        return
    yield from _length(shape, len(value), path)
    values = shape.metadata.get("enum")
    if values and value not in values:
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(values)}]"
        )
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, value):
        yield (
            f"Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy regular expression "
            f"pattern: {pattern}"
        )


def _fits(pattern: str, value: str) -> bool:
    # Java's \p{...} classes have no equal in `re`; such patterns are let through.
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True


def _length(shape: Shape, length: int, path: str) -> Iterator[str]:
    limits = shape.metadata
    if not limits.get("min", length) <= length <= limits.get("max", length):
        yield f"Value at '{path}' failed to satisfy constraint: Member has length {length}"


def _join(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name
