"""A real model, rehearsed, deployed on the stand-in, asked, watched over, deleted."""

from __future__ import annotations

import dataclasses
import io
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from core.cloud.hosting import Container, Hosting, StrangersCode
from core.engines.sagemaker.endpoints import endpoints as endpoints_module
from core.engines.sagemaker.endpoints.invoke import EndpointClient
from core.engines.sagemaker.endpoints.rehearsal import rehearse
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.timing import Timing
from core.errors import EngineError, ModelError, PictureError, SpecError, UserFacingError
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.models.threshold import move
from training_scripts.artifact import package, unpack

INSTANCE = Hosting("ml.m5.large")


@pytest.fixture
def archive(trained_job, tmp_path):
    return package(trained_job.model, tmp_path / "archive" / "model.tar.gz")


@pytest.fixture
def engine(cloud, aws, workspace, paths, store, archive):
    """An engine that knows one finished job, `colours`, whose model lies in S3."""
    cloud.forget()
    aws.client("s3").upload_file(str(archive), workspace.bucket, "models/model.tar.gz")
    spec = TrainingSpec("colours", {}, {}, (MetricDefinition("Average loss", "loss: ([0-9.]+)"),))
    uri = f"s3://{workspace.bucket}/models/model.tar.gz"
    store.add_job(TrainingJob("colours", JobStatus.IN_PROGRESS, time.time(), engine="sagemaker"), spec)
    store.update_job("colours", status=JobStatus.COMPLETED, artifact=uri)
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(0.1, 0.1, login=0.3))
    yield engine
    engine.close()
    cloud.forget()


def create(engine, name, hosting):
    """Deploy without the rehearsal, which has tests of its own."""
    uri = engine.job("colours").artifact
    engine.hosted.create(name, "colours", uri, "arn:aws:iam::123456789012:role/Execution", hosting)


def until(engine, name, status, seconds=60):
    deadline = time.monotonic() + seconds
    while (found := engine.hosted.get(name)).status != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_an_endpoint_from_rehearsal_to_deletion(engine, paths, trained_job, cloud):
    """Behind it is Ray Serve itself where it is installed, else the archive's application called as Ray calls it."""
    picture = trained_job.picture("red")
    move(paths.jobs / "colours", -1000.0)  # stranger than all: what is kept here holds there too
    rehearsal = engine.deploy("colours", "colours-live", INSTANCE, picture)
    assert rehearsal.label == "red"
    assert engine.endpoints()[0].status in ("Creating", "InService")
    found = until(engine, "colours-live", "InService")
    assert (found.ours, found.model_job, found.instance_type) == (True, "colours", "ml.m5.large")
    assert found.hourly_usd == pytest.approx(0.115)
    assert found.expires == pytest.approx(time.time() + 7200, abs=60)
    client = EndpointClient(engine.aws, "colours-live", serverless=False)
    answer = client.classify(picture, top_k=3)
    assert dict(answer.classes) == pytest.approx(dict(rehearsal.classes), abs=1e-4)
    assert answer.milliseconds > 0
    assert not answer.woke
    assert answer.unknown
    assert answer.classes[0][0] == "red"
    (made,) = cloud.asked("CreateModel")
    assert made["PrimaryContainer"]["Image"].endswith("/ray:serve-ml-sagemaker-cpu-v1"), "proposed on an instance"
    engine.serving.delete("colours-live")
    assert engine.endpoints() == []
    assert (cloud.serving.models, cloud.serving.configs) == ({}, {})
    with pytest.raises(EngineError, match="no endpoint called"):
        engine.serving.delete("colours-live")
    assert not engine.lifetimes.is_needed()


def test_a_serverless_endpoint_is_woken(engine, trained_job, cloud):
    create(engine, "sleepy", Hosting(memory_mb=2048, lifetime_s=None))
    found = until(engine, "sleepy", "InService")
    assert "/pytorch-inference:2.6-cpu" in cloud.asked("CreateModel")[0]["PrimaryContainer"]["Image"], "wakes up sooner"
    assert found.container == "pytorch"
    assert (found.instance_type, found.hourly_usd, found.expires) == ("serverless", None, None)
    slept = []
    client = EndpointClient(engine.aws, "sleepy", serverless=True, sleep=slept.append)
    answers = list(client.classify_all([trained_job.picture(label) for label in trained_job.classes]))
    assert [getattr(answer, "classes", answer) for answer in answers if isinstance(answer, UserFacingError)] == []
    assert [answer.classes[0][0] for answer in answers] == list(trained_job.classes)
    assert any(answer.woke for answer in answers)
    assert slept


def test_what_a_client_sends_is_made_small_enough_or_refused_in_words(engine, trained_job, tmp_path):
    create(engine, "strict", INSTANCE)
    until(engine, "strict", "InService")
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(-40, 40, (900, 900, 3)) + np.array((200, 50, 40))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    client = EndpointClient(engine.aws, "strict", serverless=False, limit=400_000)
    answer = client.classify(buffer.getvalue())
    assert answer.classes[0][0] == "red"
    assert "instead of" in answer.notice
    client = EndpointClient(engine.aws, "strict", serverless=False)
    with pytest.raises(EngineError, match=r"refused the picture: The file is not a picture"):
        client.classify(b"no picture")
    with pytest.raises(PictureError):
        client.classify(tmp_path / "nothing.jpg")
    mixed = list(client.classify_all([b"no picture", trained_job.picture("red")]))
    assert isinstance(mixed[0], UserFacingError)
    assert mixed[1].classes[0][0] == "red"


def test_a_refused_endpoint_leaves_nothing_behind(engine, trained_job, cloud):
    from tests.cloud.faults import quota_zero

    cloud.faults.add("CreateEndpoint", quota_zero("ml.m5.large for endpoint usage"))
    with pytest.raises(EngineError, match="for endpoint usage"):
        create(engine, "refused", INSTANCE)
    assert (cloud.serving.models, cloud.serving.configs, engine.endpoints()) == ({}, {}, [])


def test_a_container_that_does_not_start_is_explained_and_its_log_is_at_hand(engine, archive, aws, workspace, tmp_path):
    model = unpack(archive, tmp_path / "model")
    (model / "deployment.py").write_text("raise RuntimeError('a wrong turn')\n", encoding="utf-8")
    aws.client("s3").upload_file(
        str(package(model, tmp_path / "broken.tar.gz")), workspace.bucket, "models/model.tar.gz"
    )
    create(engine, "broken", INSTANCE)
    found = until(engine, "broken", "Failed")
    assert "did not start" in found.failure_reason
    assert found.log_url.endswith("#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FEndpoints$252Fbroken")
    assert "RuntimeError: a wrong turn" in engine.serving.log("broken")
    assert engine.serving.log("never-was") == ()


def test_an_archive_that_cannot_be_served_is_not_deployed(trained_job, tmp_path, cloud):
    model = tmp_path / "model"
    shutil.copytree(trained_job.model, model)
    code = model / "code" / "training_scripts" / "preprocess.py"
    code.write_text(code.read_text(encoding="utf-8") + "\nraise RuntimeError('a wrong turn')\n", encoding="utf-8")
    with pytest.raises(ModelError, match="a wrong turn"):
        rehearse(package(model, tmp_path / "model.tar.gz"), trained_job.picture("red"), Container.RAY_SERVE)


def test_an_archive_that_answers_otherwise_is_not_deployed(trained_job, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(trained_job.model, model)
    code = model / "code" / "inference.py"
    turned = code.read_text(encoding="utf-8").replace("softmax(dim=1)", "neg().softmax(dim=1)")
    code.write_text(turned, encoding="utf-8")
    with pytest.raises(ModelError, match="answers otherwise"):
        rehearse(package(model, tmp_path / "model.tar.gz"), trained_job.picture("red"))


@pytest.fixture
def stranger(engine, trained_job, aws, workspace, paths, tmp_path):
    """An adopted job `colours` whose archive has code that leaves a trace where it runs."""

    def make(change):
        model = tmp_path / "strange"
        shutil.copytree(trained_job.model, model)
        change(model, f"\nopen({str(tmp_path / 'trace')!r}, 'w').close()\n")
        file = package(model, tmp_path / "strange.tar.gz")
        aws.client("s3").upload_file(str(file), workspace.bucket, "models/model.tar.gz")
        CloudJobState(launched=True, adopted=True).save(paths.jobs / "colours")

    return make


def test_an_adopted_model_is_served_by_our_own_code(stranger, engine, trained_job, tmp_path, cloud, aws):
    cloud.serving.released.clear()  # that it answers is seen above

    def change(model, trace):
        for where in ("code/inference.py", "code/training_scripts/network.py", "deployment.py", "code/new.py"):
            with (model / where).open("a", encoding="utf-8") as file:
                file.write(trace)

    stranger(change)
    rehearsal = engine.deploy("colours", "live", INSTANCE, trained_job.picture("red"))
    assert rehearsal.label == "red"
    assert not (tmp_path / "trace").exists(), "a stranger's code ran here"
    uri = cloud.asked("CreateModel")[-1]["PrimaryContainer"]["ModelDataUrl"]
    assert uri != engine.job("colours").artifact
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    aws.client("s3").download_file(bucket, key, str(tmp_path / "served.tar.gz"))
    served = unpack(tmp_path / "served.tar.gz", tmp_path / "served")
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in served.rglob("*.py"))


def test_an_adopted_model_with_our_code_is_served_as_it_is(stranger, engine, trained_job, cloud):
    cloud.serving.released.clear()
    stranger(lambda model, trace: None)
    engine.deploy("colours", "live", INSTANCE, trained_job.picture("red"))
    uri = cloud.asked("CreateModel")[-1]["PrimaryContainer"]["ModelDataUrl"]
    assert uri == engine.job("colours").artifact


def test_a_model_that_only_its_own_code_can_serve_is_asked_about(stranger, engine, trained_job, tmp_path, cloud):
    def change(model, trace):
        (model / "model.json").unlink()
        with (model / "code" / "inference.py").open("a", encoding="utf-8") as file:
            file.write(trace)

    stranger(change)
    with pytest.raises(StrangersCode, match="--trust-code"):
        engine.deploy("colours", "live", INSTANCE, trained_job.picture("red"))
    assert not (tmp_path / "trace").exists()
    assert not cloud.asked("CreateModel")


def test_what_is_rehearsed_sees_no_keys(trained_job, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the key")
    model = tmp_path / "model"
    shutil.copytree(trained_job.model, model)
    with (model / "code" / "inference.py").open("a", encoding="utf-8") as file:
        file.write(f"\nimport os\nopen({str(tmp_path / 'seen')!r}, 'w').write(repr(dict(os.environ)))\n")
    rehearse(package(model, tmp_path / "model.tar.gz"), trained_job.picture("red"))
    assert "the key" not in (tmp_path / "seen").read_text()


def test_names_and_memory_are_checked():
    with pytest.raises(EngineError):
        Hosting(memory_mb=3000)
    with pytest.raises(SpecError):
        endpoints_module.Endpoints(None, None).create("no name!", "j", "s3://b/k", "arn", INSTANCE)
    assert dataclasses.replace(INSTANCE, lifetime_s=None).lifetime_s is None
