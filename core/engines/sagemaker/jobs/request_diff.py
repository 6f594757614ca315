"""What AWS recorded of a request: where it is not what was asked for, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.translation import tr

_APART = ("Tags", "TrainingJobDefinition")


def differences(asked: Mapping[str, Any], described: Mapping[str, Any]) -> list[str]:
    """Compare a request with the description of the job it made; what AWS adds by itself is not a difference.

    A description has no tags: put what ListTags says under "Tags", else they are not compared.
    """
    found = list(_differences({key: value for key, value in asked.items() if key not in _APART}, described, ""))
    if "TrainingJobDefinition" in asked:
        found += _differences(asked["TrainingJobDefinition"], described.get("TrainingJobDefinition", {}), "")
    if "Tags" in described:
        found += _differences(_tags(asked), _tags(described), "Tags")
    return found


def _tags(data: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in data.get("Tags", ())}


def _differences(asked: Any, described: Any, path: str) -> Iterator[str]:
    if isinstance(asked, Mapping) and isinstance(described, Mapping):
        for key, value in asked.items():
            # AWS leaves out what is false or empty; a zero it keeps.
            if key in described or not (value is False or value in ("", [], {})):
                yield from _differences(value, described.get(key), f"{path}.{key}" if path else key)
    elif isinstance(asked, list) and isinstance(described, list) and len(asked) == len(described):
        for number, (left, right) in enumerate(zip(asked, described, strict=True)):
            yield from _differences(left, right, f"{path}[{number}]")
    elif described is None and isinstance(asked, Mapping | list):
        yield tr("{path}: AWS recorded nothing of it.").format(path=path)
    elif asked != described:
        yield tr("{path}: asked {asked!r}, AWS recorded {which}.").format(
            path=path, asked=asked, which="nothing" if described is None else repr(described)
        )
