"""Pictures and answers as they are in the frames between the predictor and its process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import PictureError
from core.predict.child_process import ChildEnded
from core.predict.protocol import Header
from core.predict.records import Answer, Prediction, Source, Unreadable
from core.translation import tr


def packed(sources: Sequence[Source]) -> tuple[Header, bytes]:
    """Return the field of a request that names pictures, and the bytes of those that are not files."""
    pictures: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for source in sources:
        if isinstance(source, bytes):
            pictures.append({"size": len(source)})
            parts.append(source)
        else:
            pictures.append({"path": str(source)})
    return {"pictures": pictures}, b"".join(parts)


def answer_of(source: Source, fields: Header, model: str, thumbnail: bytes) -> Answer:
    """Return the answer about a picture from its fields in a reply."""
    if "error" in fields:
        return Unreadable(source, PictureError(**fields["error"]))
    classes = tuple((str(label), float(probability)) for label, probability in fields["classes"])
    return Prediction(
        source,
        classes,
        fields["milliseconds"],
        model,
        fields["width"],
        fields["height"],
        bytes(thumbnail),
        fields.get("strangeness"),
    )


def killer(source: Source, ended: ChildEnded) -> PictureError:
    """Return the error of a picture that ended the process."""
    name = source.name if isinstance(source, Path) else tr("The pasted picture")
    if ended.stood_still:
        return PictureError(
            tr("{name} was not read.").format(name=name),
            tr("The process that reads pictures was ended twice: {how}.").format(how=ended.how),
            tr("Try again when the machine is less busy."),
        )
    return PictureError(
        tr("{name} made the process that reads pictures fail.").format(name=name),
        tr("Most likely the file is damaged in a way its decoder cannot survive: {how}.").format(how=ended.how),
        tr("Save it again in another program; other pictures are not affected."),
    )
