"""The engines by name, and what people call them: this computer and the clouds. A new cloud adds its line."""

from __future__ import annotations

from collections.abc import Mapping

LOCAL = "local"
ENGINES: Mapping[str, str] = {LOCAL: "Local", "sagemaker": "Amazon SageMaker"}
