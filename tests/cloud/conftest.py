"""A bucket, and requests of jobs that are small but real."""

from __future__ import annotations

import io
import tarfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

ROLE = "arn:aws:iam::123456789012:role/Execution"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6-cpu-py312"

# No torch, no data: settled by its hyperparameters. It counts on from its checkpoint.
SCRIPT = """
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", "--x", type=float, default=0.5)  # the toolkit says -x
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--sleep", type=float, default=0.0)
parser.add_argument("--fail", default="")
parser.add_argument("--share", default="")
args, _ = parser.parse_known_args()
state = pathlib.Path(os.environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints"), "epoch")
first = int(state.read_text()) + 1 if state.exists() else 1
print(f"from {first} with {sys.argv[1:]} and {sorted(json.loads(os.environ['SM_CHANNELS']))}", flush=True)
if args.share:
    share = pathlib.Path(os.environ["SM_CHANNEL_SHARE"])
    own = pathlib.Path(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"])
    own.mkdir()
    own.joinpath("files").write_text(" ".join(sorted(path.name for path in share.rglob("*.png"))))
    if args.share == "write":
        (share / "more.png").write_bytes(b"2")
    sys.exit(0)
if args.fail:
    pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text(args.fail)
    sys.exit(3)
for epoch in range(first, args.epochs + 1):
    print(f"epoch={epoch} Average loss: {(args.x - 0.3) ** 2 + 1 / epoch:.6f}", flush=True)
    if state.parent.is_dir():
        state.write_text(str(epoch))
    time.sleep(args.sleep)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"x": args.x}))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "told.txt").write_text("done")
"""

INFERENCE = """
import json, os, pathlib, sys
print("loading in", os.path.basename(os.getcwd()))
def model_fn(model_dir):
    return json.loads(pathlib.Path(model_dir, "model.json").read_text())["factor"]
def input_fn(body, content_type):
    if content_type != "application/x-image":
        raise ValueError(f"not {content_type}")
    return body
def predict_fn(data, model):
    print("this goes to the log, not into the answer")
    return {"sum": sum(data) * model, "bytes": len(data)}
def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""


@dataclass(frozen=True)
class Aws:
    """boto3 clients that do not retry, and a bucket with the script in it."""

    bucket: str
    prefix: str

    def client(self, service: str) -> Any:
        return boto3.client(service, config=Config(retries={"total_max_attempts": 1}, read_timeout=30))

    def put(self, key: str, content: bytes) -> str:
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        return bytes(self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def archive(self, name: str, files: dict[str, str]) -> str:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for path, text in files.items():
                content = textwrap.dedent(text).encode()
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return self.put(f"{self.prefix}/{name}.tar.gz", buffer.getvalue())

    def definition(self, **changes: Any) -> dict[str, Any]:
        """What a training job and a trial's definition have in common."""
        definition: dict[str, Any] = {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": r"Average loss: ([0-9\.]+)"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/{self.prefix}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        }
        return {**definition, **changes}

    def training(self, name: str, hyperparameters: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """A CreateTrainingJob request of the script."""
        own = {
            "sagemaker_program": "mini.py",
            "sagemaker_submit_directory": self.archive("source", {"mini.py": SCRIPT}),
        }
        return self.definition(
            TrainingJobName=f"{self.prefix}-{name}", HyperParameters={**(hyperparameters or {}), **own}, **changes
        )


@pytest.fixture
def aws(fresh_cloud, unique) -> Aws:
    bucket = f"bucket-{unique}"
    made = Aws(bucket, unique)
    made.client("s3").create_bucket(Bucket=bucket)
    return made


@pytest.fixture
def inference() -> str:
    """An inference.py that needs no torch: the sum of the bytes of the request, times the model's factor."""
    return INFERENCE


@pytest.fixture
def until() -> Callable[[Callable[[], dict[str, Any]], Callable[[dict[str, Any]], bool]], dict[str, Any]]:
    """Asks until the answer is as it should be; returns it."""

    def wait(ask: Callable[[], dict[str, Any]], good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 240
        while not good(answer := ask()):
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        return answer

    return wait


@pytest.fixture
def ended(aws, until) -> Callable[[str], dict[str, Any]]:
    """Waits for a training job's end; returns its description."""
    final = ("Completed", "Failed", "Stopped")

    def wait(name: str) -> dict[str, Any]:
        client = aws.client("sagemaker")
        ask = lambda: client.describe_training_job(TrainingJobName=f"{aws.prefix}-{name}")  # noqa: E731
        return until(ask, lambda job: job["TrainingJobStatus"] in final)

    return wait
