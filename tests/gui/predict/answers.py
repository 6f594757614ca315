"""Answers about pictures, made up for the tests of what shows them."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from core.predict.intake import NamedPicture
from core.predict.records import Prediction


def jpeg(colour=(200, 0, 0), size=(64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


def picture_named(name: str) -> NamedPicture:
    return NamedPicture(name, Path("folder") / name)


def answer_to(name: str, label: str, probability: float, milliseconds: float = 5.0) -> Prediction:
    classes = ((label, probability), ("other", 1 - probability))
    return Prediction(Path(name), classes, milliseconds, "job-1", 640, 480, jpeg())
