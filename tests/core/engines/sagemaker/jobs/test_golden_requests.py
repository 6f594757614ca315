"""What the SageMaker engine sends, whole, against the files in tests/cloud/golden.

After a wanted change: SAGEHOUND_UPDATE_GOLDEN=1 writes the files again; read the difference before it is committed.
"""

from __future__ import annotations

import re

import pytest

from core.cloud.hosting import Hosting
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.specs import CloudResources

SPOT = CloudResources(
    instance_type="ml.m5.large",
    volume_gb=7,
    spot=True,
    max_wait_s=7200,
    network_isolation=True,
    subnets=("subnet-0a",),
    security_groups=("sg-0b",),
    encrypt_traffic=True,
    output_kms_key="alias/output",
    volume_kms_key="1234abcd-12ab-34cd-56ef-1234567890ab",
    tags={"team": "dogs"},
)


@pytest.fixture
def sent(cloud, sagemaker_mini, workspace, golden):
    """Compares the only request of an operation with its golden file."""
    names = {workspace.bucket: "BUCKET", sagemaker_mini.manifest.version: "VERSION"}

    def check(name, operation, **also):
        (request,) = cloud.asked(operation)
        golden(name, request, names | also)

    return check


def test_the_requests_of_a_training_job(sagemaker_mini, sent, cloud):
    spec = sagemaker_mini.training("golden-job", hyperparameters={"x": "0.1"}, cloud=SPOT, max_runtime_s=3600)
    sagemaker_mini.engine.start(spec)
    sagemaker_mini.finished("golden-job")
    sent("training_job", "CreateTrainingJob")
    assert sagemaker_mini.engine.differences("golden-job") == ()
    assert not any(operation.startswith("Delete") for operation, _ in cloud.requests)


def test_the_requests_of_a_tuning_job(sagemaker_mini, sent, cloud):
    ranges = (
        ContinuousRange("x", 1e-3, 0.9, Scaling.LOGARITHMIC),
        IntegerRange("num_epochs", 2, 3),
        CategoricalRange("sleep", ("0.0", "0.01")),
    )
    ends = {"target": 0.0, "patience": 3, "max_search_s": 7200, "until_converged": True}
    more = {"early_stopping": True, "warm_start": ("earlier",), **ends}
    spec = sagemaker_mini.tuning("golden-search", ranges=ranges, max_jobs=1, max_parallel_jobs=1, **more)
    sagemaker_mini.engine.start(spec)
    sagemaker_mini.finished("golden-search")
    sent("tuning_job", "CreateHyperParameterTuningJob")
    assert sagemaker_mini.engine.differences("golden-search") == ()


@pytest.mark.parametrize(("name", "hosting"), [("serverless", Hosting()), ("instance", Hosting("ml.m5.large"))])
def test_the_requests_of_an_endpoint(name, hosting, sagemaker_mini, sent, cloud, workspace):
    hosted = sagemaker_mini.engine.hosted
    hosted.create(f"golden-{name}", "golden-job", f"s3://{workspace.bucket}/model.tar.gz", workspace.role, hosting)
    (request,) = cloud.asked("CreateEndpoint")
    expires = next(tag["Value"] for tag in request["Tags"] if tag["Key"].endswith(":expires"))
    assert re.fullmatch(r"\d{10}", expires)
    for operation in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        sent(f"{name}_{operation}", operation, **{expires: "EXPIRES"})
    hosted.delete(f"golden-{name}")
    deleted = [operation for operation, _ in cloud.requests if operation.startswith("Delete")]
    assert deleted == ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"]
