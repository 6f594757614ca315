"""Trained models, wherever they are: a trial's, an archive's, an endpoint's or an exported file's."""

from core.models.info import ModelInfo, read_info
from core.models.model import BEST, Model, ModelAddress, ModelKind

__all__ = ["BEST", "Model", "ModelAddress", "ModelInfo", "ModelKind", "read_info"]
