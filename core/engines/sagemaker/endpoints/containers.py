"""The two containers of AWS that serve a model, and which one is proposed. Both call the functions of inference.py."""

from __future__ import annotations

from enum import StrEnum

from core.engines.sagemaker.jobs.images import SERVING, image_of

RAY_SERVE_IMAGE = ("ray-serve", "1")
"""Version 1 is a tag that moves: AWS patches what is behind it (Ray 2.57, PyTorch 2.10, Python 3.13 in 2026)."""

_CPU_TYPE = "ml.m5.large"  # stands for serverless, which has no GPU
_GPU_HOST = "al2-ami-sagemaker-inference-gpu-3-1"  # the usual host's driver is too old for the container


class Container(StrEnum):
    """What answers at an endpoint."""

    RAY_SERVE = "ray-serve"
    PYTORCH = "pytorch"

    @property
    def label(self) -> str:
        """Return its name for people."""
        return "Ray Serve" if self is Container.RAY_SERVE else "PyTorch 2.6"

    @property
    def explanation(self) -> str:
        """Return what speaks for it and against it."""
        if self is Container.RAY_SERVE:
            return (
                "Ray Serve is the container that AWS supports and patches. It takes longer to start: at least 15 "
                "seconds before the model is loaded, which a serverless endpoint does again after each sleep."
            )
        return (
            "The PyTorch 2.6 inference container starts sooner, which a serverless endpoint needs after each sleep. It "
            "is AWS's last of its kind, and has had no security patches since 2026-06-30."
        )


def proposed(instance_type: str) -> Container:
    """Ray Serve on an instance; on serverless ("") the one that wakes up sooner."""
    return Container.RAY_SERVE if instance_type else Container.PYTORCH


def serving_image(container: Container, region: str, instance_type: str) -> str:
    """Return the address of the container's image, for a CPU or a GPU as the instance type has it; "" is serverless."""
    framework, version = RAY_SERVE_IMAGE if container is Container.RAY_SERVE else SERVING
    return image_of(framework, version, region, instance_type or _CPU_TYPE, "inference")


def variables_of(container: Container, region: str, image: str) -> dict[str, str]:
    """Return the environment in which the container finds its way in model.tar.gz."""
    if container is Container.RAY_SERVE:
        return {"SAGEHOUND_GPUS": str(int(_has_gpu(image)))}  # read by training_scripts/deployment.py
    return {
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
