"""The images, variables and hosts of the two containers of AWS that serve a model."""

from __future__ import annotations

from core.cloud.hosting import Container, Hosting
from core.engines.sagemaker.jobs.images import SERVING, image_of
from training_scripts.inference import THRESHOLD

RAY_SERVE_IMAGE = ("ray-serve", "1")
"""Version 1 is a tag that moves: AWS patches what is behind it (Ray 2.57, PyTorch 2.10, Python 3.13 in 2026)."""

_CPU_TYPE = "ml.m5.large"  # stands for serverless, which has no GPU
_GPU_HOST = "al2-ami-sagemaker-inference-gpu-3-1"  # the usual host's driver is too old for the container


def serving_image(container: Container, region: str, instance_type: str) -> str:
    """Return the address of the container's image, for a CPU or a GPU as the instance type has it; "" is serverless."""
    framework, version = RAY_SERVE_IMAGE if container is Container.RAY_SERVE else SERVING
    return image_of(framework, version, region, instance_type or _CPU_TYPE, "inference")


def variables_of(hosting: Hosting, region: str, image: str) -> dict[str, str]:
    """Return the environment in which the container finds its way in model.tar.gz, and a threshold that was moved."""
    moved = {} if hosting.unknown_threshold is None else {THRESHOLD: str(hosting.unknown_threshold)}
    if hosting.runs_in is Container.RAY_SERVE:
        return {"SAGEHOUND_GPUS": str(int(_has_gpu(image))), **moved}  # read by training_scripts/deployment.py
    return {
        **moved,
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SAGEMAKER_REGION": region,
    }


def host_of(container: Container, image: str) -> dict[str, str]:
    """Return what a variant has to say of the machine for this image."""
    return {"InferenceAmiVersion": _GPU_HOST} if container is Container.RAY_SERVE and _has_gpu(image) else {}


def _has_gpu(image: str) -> bool:
    return "-cuda" in image.rpartition(":")[2]
