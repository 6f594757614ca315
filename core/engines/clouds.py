"""The one place that knows which clouds there are."""

from __future__ import annotations

from core.cloud.interface import CloudProvider
from core.engines.sagemaker.provider import SageMaker


def cloud_provider() -> CloudProvider:
    """Return the cloud that jobs can be started on."""
    return SageMaker()
