"""Export a model to a form that others run, with a card and a script that asks it."""

from core.models.export.exporting import Exported, export
from core.models.export.formats import FORMATS, ExportFormat
from core.models.export.model_card import Agreement, ModelFacts

__all__ = ["FORMATS", "Agreement", "ExportFormat", "Exported", "ModelFacts", "export"]
