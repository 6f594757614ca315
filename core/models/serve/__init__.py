"""Serve a model on this machine: SageMaker's protocol for programs, and a page for people."""

from core.models.serve.admission import Limits
from core.models.serve.server import ModelServer

__all__ = ["Limits", "ModelServer"]
