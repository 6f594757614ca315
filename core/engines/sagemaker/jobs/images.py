"""Which of AWS's containers a job or an endpoint runs in."""

from __future__ import annotations

from core.errors import EngineError
from core.translation import tr

TRAINING = ("pytorch-amzn2023", "2.13")
"""Its Python is 3.12, and it has the sagemaker-training toolkit, which trials need."""

SERVING = ("pytorch", "2.6")
"""The last one that serves through model_fn, input_fn, predict_fn and output_fn; patched until 2026-06-30."""


def training_image(region: str, instance_type: str) -> str:
    """Return the address of AWS's PyTorch training image, for a CPU or a GPU as the instance type has it."""
    return image_of(*TRAINING, region, instance_type, "training")


def rules_image(region: str) -> str:
    """Return the address of AWS's image of its Debugger rules; the account it is in differs from region to region."""
    from sagemaker.core import image_uris

    try:
        return str(image_uris.retrieve("debugger", region))
    except ValueError as error:
        raise EngineError(
            tr("AWS has no Debugger rules in {region}.").format(region=region),
            tr("The SDK knows no image of them there."),
            tr("Leave AWS's Debugger out, or choose another region."),
        ) from error


def image_of(framework: str, version: str, region: str, instance_type: str, scope: str) -> str:
    """Return the address of one of AWS's images.

    Raises:
        EngineError: there is none for that instance type or region.
    """
    from sagemaker.core import image_uris

    try:
        return str(
            image_uris.retrieve(framework, region, version=version, image_scope=scope, instance_type=instance_type)
        )
    except ValueError as error:
        raise EngineError(
            tr("AWS has no {framework} image for {instance_type} in {region}.").format(
                framework=framework, instance_type=instance_type, region=region
            ),
            f"{' '.join(str(error).split())[:300]}",
            tr("Choose another instance type or region, or name an image."),
        ) from error
