"""The stand-in's containers are as strict as AWS's: what they install, what they reach, what a stop says to them."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from tests.cloud import container

SCRIPT = """
import os, pathlib, signal, socket, time, urllib.parse
import tiny
told = lambda number, frame: print("asked to stop", flush=True)
signal.signal(signal.SIGTERM, told)
print(f"installed {tiny.NAME}", flush=True)
server = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
try:
    socket.create_connection((server.hostname, server.port), 5).close()
    print("reached", flush=True)
except OSError:
    print("cut off", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text("learned")
print("Average loss: 0.5", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["in namespaces", "by variables"])
def kind(request, monkeypatch):
    """Either way of running a container; where no namespaces can be made, both are the second."""
    if request.param == "by variables":
        monkeypatch.setattr(container, "namespaces", tuple)
    return request.param


def wheel() -> bytes:
    """A package called tiny, as pip takes it."""
    content = io.BytesIO()
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(content, "w") as parts:
        parts.writestr("tiny.py", "NAME = 'tiny'")
        parts.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        parts.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        parts.writestr(f"{about}/RECORD", "")
    return content.getvalue()


def code(aws, requirements: str) -> dict[str, str]:
    """The hyperparameters of a job that runs the script."""
    files = {"job.py": SCRIPT.encode(), "requirements.txt": requirements.encode(), "tiny-1.0-py3-none-any.whl": wheel()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    aws.put(f"{aws.prefix}/code/sourcedir.tar.gz", archive.getvalue())
    place = "/opt/ml/input/data/code/sourcedir.tar.gz"
    return {"sagemaker_program": "job.py", "sagemaker_submit_directory": place}


def log_of(aws, name: str) -> list[str]:
    logs = aws.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{aws.prefix}-{name}/")
    return [
        event["message"].strip()
        for stream in streams["logStreams"]
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]


def start(aws, name: str, requirements: str, **changes) -> None:
    hyperparameters = code(aws, requirements)
    place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/{aws.prefix}/code/"}
    channel = {"ChannelName": "code", "DataSource": {"S3DataSource": place}}
    request = aws.training(name, InputDataConfig=[channel], **changes)
    aws.client("sagemaker").create_training_job(**{**request, "HyperParameters": hyperparameters})


def test_requirements_are_installed_isolation_cuts_and_a_stop_is_not_passed_on(aws, ended, until, kind):
    for name, isolated in (("open", False), ("isolated", True)):
        start(aws, name, "./tiny-1.0-py3-none-any.whl", EnableNetworkIsolation=isolated)
    sagemaker = aws.client("sagemaker")
    for name, reaches in (("open", "reached"), ("isolated", "cut off")):
        job = f"{aws.prefix}-{name}"
        until(
            lambda job=job: sagemaker.describe_training_job(TrainingJobName=job), lambda at: at["FinalMetricDataList"]
        )
        sagemaker.stop_training_job(TrainingJobName=job)
        description = ended(name)
        assert description["TrainingJobStatus"] == "Stopped"
        lines = log_of(aws, name)
        assert [line for line in lines if line in ("installed tiny", "reached", "cut off", "asked to stop")] == [
            "installed tiny",
            reaches,
        ]
        learned = aws.get(f"{aws.prefix}/out/{job}/output/model.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(learned), mode="r:gz") as tar:
            assert tar.extractfile("model.json").read() == b"learned"


def test_what_cannot_be_installed_fails_the_job_before_its_script(aws, ended, kind):
    start(aws, "lacking", "a-package-that-no-index-has==1.0")
    job = ended("lacking")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: InstallRequirementsError:\nExitCode 1\nErrorMessage")
    assert not [line for line in log_of(aws, "lacking") if line.startswith("installed")]
