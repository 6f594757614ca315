"""Frozen features by several machines on the stand-in: the same rows to the bit, and what a lost part costs."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest

from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.many_machines import machines_for, volume_for_features
from core.engines.sagemaker.jobs.training_source import training_source
from core.engines.sagemaker.timing import Timing
from core.errors import SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.specs import CloudResources, DebuggerConfig, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.tuning.presets import DEFAULT_METRICS
from tests.cloud.training import JobFaults
from training_scripts.feature_store import read_channel

PART = b"""
import sys

import numpy as np

from training_scripts import feature_part
from training_scripts.feature_store import FeatureStore

def fill(args, preprocessing, weights, stores, splits, stop, recover):
    (stores / "key").mkdir(parents=True, exist_ok=True)
    store = FeatureStore(stores / "key", 1280)
    recover(store)
    new = sorted({value for samples in splits.values() for value in samples.hashes if store.row(value) is None})
    rows = [np.resize(list(bytes.fromhex(value)), 1280) for value in new]
    store.append(new, np.array(rows, "f4").reshape(len(new), 1280))
    (store.folder / "backbone.pth").write_bytes(b"a network")
    print(f"features {len(new)}/{len(new)}", flush=True)
    return store, "torch", {}

feature_part.fill_store = fill
sys.exit(feature_part.main())
"""
LEARN = b"print('epoch=1/1 Average loss: 0.5')"


@pytest.fixture
def engine(cloud, aws, workspace, paths, store):
    """An engine whose trainings say a word; features are computed."""
    cloud.forget()
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(0.2, 0.3, login=0.3))
    source = training_source()
    programs = {source.program: LEARN, source.search: LEARN}
    engine._creator._source = dataclasses.replace(source.offline(), files={**source.offline().files, **programs})
    yield engine
    engine.close()
    cloud.forget()


@pytest.fixture
def quick(engine):
    """The same, and a picture's features are its SHA-256."""
    source = engine._creator._source
    engine._creator._source = dataclasses.replace(source, files={**source.files, source.part: PART})
    return engine


def training(engine, manifest, name, machines, **cloud):
    return TrainingSpec(
        name,
        engine.stage(manifest),
        {"backbone": "efficientnet_lite0", "mode": "head", "num_epochs": "1", "weights": "none", "seed": "3"},
        DEFAULT_METRICS,
        dataset_version=manifest.version,
        debugger=DebuggerConfig(enabled=False, profiler=False),
        cloud=CloudResources(feature_machines=machines, **cloud),
    )


def finished(engine, name, seconds=200):
    deadline = time.monotonic() + seconds
    while not (job := engine.job(name)).status.is_final:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    assert (job.status, job.failure_reason) == (JobStatus.COMPLETED, "")
    return job


def jobs(cloud):
    """The jobs that were asked for: name, and how many machines."""
    asked = cloud.asked("CreateTrainingJob")
    return [(request["TrainingJobName"], request["ResourceConfig"]["InstanceCount"]) for request in asked]


def channel(cloud, engine, spec, folder):
    """The channel that the training read, as it lies in S3."""
    key = engine._creator.features_key(spec)
    cloud.storage.download(f"{engine._creator.features_at(key)}/", folder)
    return read_channel(folder)


def values(found):
    """The features of each picture, by split and path."""
    return {
        (split, path): row
        for split, data in found.sets.items()
        for path, row in zip(data.paths, data.matrix[data.rows], strict=True)
    }


def forget_features(cloud, workspace):
    """Let the features that are in S3 be computed again."""
    for part in (("features",), ("checkpoints", "features")):
        for key in cloud.storage.keys(f"{workspace.uri(*part)}/"):
            cloud.storage.delete(f"s3://{workspace.bucket}/{key}")


@pytest.mark.long
def test_one_two_and_three_machines_leave_the_same_rows_to_the_bit(
    engine, manifest, cloud, workspace, monkeypatch, tmp_path
):
    monkeypatch.setenv("SAGEHOUND_RUNTIME", "torch")  # OpenVINO would convert the network on each of six machines
    found, known = {}, {}
    for machines in (1, 2, 3):
        forget_features(cloud, workspace)
        spec = training(engine, manifest, f"on-{machines}", machines)
        engine.start(spec)
        finished(engine, spec.name)
        read = channel(cloud, engine, spec, tmp_path / spec.name)
        assert len(read.sets["train"].matrix.parts) == machines
        found[machines] = values(read)
        known[machines] = (read.known_file.read_bytes(), read.classes, read.preprocessing, read.weights)
    assert len(found[1]) == len(manifest.pictures)
    for machines in (2, 3):
        assert found[machines].keys() == found[1].keys()
        assert all(np.array_equal(row, found[1][picture]) for picture, row in found[machines].items())
        assert known[machines] == known[1]
    assert jobs(cloud) == [(f"on-{n}{part}", n if part else 1) for n in (1, 2, 3) for part in ("-features", "")]

    request = cloud.asked("CreateTrainingJob")[4]
    channels = {item["ChannelName"]: item for item in request["InputDataConfig"]}
    modes = {
        name: (item["InputMode"], item["DataSource"]["S3DataSource"]["S3DataDistributionType"])
        for name, item in channels.items()
    }
    pictures = dict.fromkeys(("train", "valid", "test"), ("FastFile", "ShardedByS3Key"))
    assert modes == pictures | dict.fromkeys(("manifest", "code"), ("File", "FullyReplicated"))
    assert request["OutputDataConfig"]["CompressionType"] == "NONE"
    assert request["ResourceConfig"]["VolumeSizeInGB"] == 30
    assert engine.differences("on-3") == ()
    notes = engine.notes("on-3")
    assert (notes.features_machines, notes.features_type) == (3, "ml.m5.xlarge")
    own = notes.billable_seconds + 3 * notes.features_billable_seconds
    assert engine.bill("on-3").billable_seconds == own
    assert engine.spent("on-3") == pytest.approx(engine.bill("on-3").usd)


def test_a_part_that_is_gone_costs_one_more_job_over_its_pictures_alone(
    quick, manifest, cloud, workspace, store, monkeypatch, tmp_path
):
    engine, parts, lost = quick, quick._creator.parts, []
    join = type(parts).join

    def spoiled(self, lists, key, first, last):
        if not lost:
            base = workspace.uri("features", key, first, "parts", first, "output", "model", "algo-2")
            index = cloud.storage.read(f"{base}/rows.index")
            lost.extend(index[at : at + 32].hex() for at in range(0, len(index), 36))
            cloud.storage.delete(f"{base}/features.f32")
        return join(self, lists, key, first, last)

    monkeypatch.setattr(type(parts), "join", spoiled)
    spec = training(engine, manifest, "spoiled", 2, feature_instance_type="ml.m5.large")
    engine.start(spec)
    finished(engine, "spoiled")
    assert jobs(cloud) == [("spoiled-features", 2), ("spoiled-features-2", 1), ("spoiled", 1)]
    types = [request["ResourceConfig"]["InstanceType"] for request in cloud.asked("CreateTrainingJob")]
    assert types == ["ml.m5.large", "ml.m5.large", "ml.m5.xlarge"]
    again = cloud.asked("CreateTrainingJob")[1]
    assert listed(cloud, again) == sorted(lost)
    assert 0 < len(lost) < len(manifest.pictures)
    kept = f"{len(lost)} pictures were computed before and not again."
    assert kept in engine.read_log("spoiled").lines
    (notice,) = store.job("spoiled").notices
    assert notice == f"Machines left {len(lost)} pictures without features; one more job computes them."
    assert_right(channel(cloud, engine, spec, tmp_path / "read"), manifest)
    notes = engine.notes("spoiled")
    assert notes.features_before_seconds >= 2
    assert engine.spent("spoiled") == pytest.approx(engine.bill("spoiled").usd)


def listed(cloud, request):
    """The pictures that a job over features is asked for."""
    (lists,) = (item for item in request["InputDataConfig"] if item["ChannelName"] == "manifest")
    place = lists["DataSource"]["S3DataSource"]["S3Uri"]
    return sorted(
        item["sha256"]
        for key in cloud.storage.keys(place)
        if not key.endswith("known.json")
        for item in json.loads(cloud.storage.read(f"s3://{place.split('/')[2]}/{key}"))["pictures"]
    )


def test_a_part_that_went_away_later_is_computed_again_and_no_other(quick, manifest, cloud, workspace, tmp_path):
    spec = training(quick, manifest, "before", 2)
    quick.start(spec)
    finished(quick, "before")
    key = quick._creator.features_key(spec)
    base = workspace.uri("features", key, "before-features", "parts", "before-features", "output", "model", "algo-1")
    index = cloud.storage.read(f"{base}/rows.index")
    cloud.storage.write(f"{base}/features.f32", cloud.storage.read(f"{base}/features.f32")[:-4])
    assert quick._creator.features_at(key) == ""
    quick.start(dataclasses.replace(spec, name="after"))
    finished(quick, "after")
    assert jobs(cloud) == [("before-features", 2), ("before", 1), ("after-features", 1), ("after", 1)]
    asked = listed(cloud, cloud.asked("CreateTrainingJob")[2])
    assert asked == sorted(index[at : at + 32].hex() for at in range(0, len(index), 36))
    assert_right(channel(cloud, quick, spec, tmp_path / "read"), manifest)


def assert_right(read, manifest):
    """Each picture has the features that follow from its content."""
    left = {split: sorted(entry.sha256 for entry in manifest.of(split)) for split in read.sets}
    found = {
        split: sorted(bytes(row[:32].astype("u1")).hex() for row in data.matrix[data.rows])
        for split, data in read.sets.items()
    }
    assert found == left


def test_a_machine_that_is_lost_costs_one_more_job(quick, manifest, cloud, tmp_path):
    engine = quick
    reason = "InternalServerError: We encountered an internal error. Please try again."
    cloud.training.plan("-features$", JobFaults(reason, after_lines=1, sign="features ", host="algo-2"))
    spec = TuningSpec(
        training(engine, manifest, "lost", 2), (ContinuousRange("learning_rate", 1e-3, 1e-1),), max_jobs=1, packed=True
    )
    engine.start(spec)
    finished(engine, "lost")
    assert [name for name, _ in jobs(cloud)] == ["lost-features", "lost-features-2", "lost"]
    (first, second, packed) = cloud.asked("CreateTrainingJob")
    assert first["CheckpointConfig"] == second["CheckpointConfig"], "what was computed is not computed again"
    names = {item["ChannelName"] for item in packed["InputDataConfig"]}
    assert names == {"features", "search", "code"}, (
        "a search that is one job takes the features that many machines made"
    )
    assert_right(channel(cloud, engine, spec, tmp_path / "read"), manifest)


def test_spot_machines_that_are_taken_away_begin_with_what_they_had(quick, manifest, cloud, tmp_path):
    cloud.training.plan("-features$", JobFaults("taken", after_lines=2, sign="features ", reclaim=True))
    spec = training(quick, manifest, "spot", 2, spot=True)
    quick.start(spec)
    finished(quick, "spot")
    assert [name for name, _ in jobs(cloud)] == ["spot-features", "spot"]
    assert cloud.training.get("spot-features").attempt == 1
    assert_right(channel(cloud, quick, spec, tmp_path / "read"), manifest)


def test_stopping_ends_all_machines_and_starts_nothing_more(quick, manifest, cloud):
    quick.start(training(quick, manifest, "halted", 2))
    quick.stop("halted")
    deadline = time.monotonic() + 60
    while not (job := quick.job("halted")).status.is_final:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    assert job.status is JobStatus.STOPPED
    assert jobs(cloud) == [("halted-features", 2)]


def test_what_several_machines_cannot_do_is_said_before_anything_is_paid(engine, manifest, cloud, aws, workspace):
    spec = training(engine, manifest, "one", 3)
    fixed = {name: value for name, value in spec.hyperparameters.items() if name != "backbone"}
    several = TuningSpec(
        dataclasses.replace(spec, hyperparameters=fixed),
        (CategoricalRange("backbone", ("efficientnet_lite0", "resnet18")),),
    )
    with pytest.raises(SpecError, match="no features to compute"):
        engine.start(several)
    aws.client("s3").put_object(Bucket=workspace.bucket, Key="foreign/cat/1.jpg", Body=b"")
    foreign = dataclasses.replace(spec, channels={"train": f"s3://{workspace.bucket}/foreign"}, dataset_version="f")
    with pytest.raises(SpecError, match="by the list that an upload by Sagehound writes") as raised:
        engine.start(foreign)
    assert raised.value.field == "feature_machines"
    assert jobs(cloud) == []
    assert engine.jobs() == []


def test_machines_and_disks_go_by_the_pictures():
    assert [machines_for(count, 1000, 10) for count in (1, 100, 101, 1000)] == [1, 1, 2, 10]
    assert volume_for_features(100, 1280) == 30
    assert volume_for_features(1_000_000, 1280) == 30
    assert volume_for_features(2_000_000, 1280) == 44
    assert volume_for_features(100_000_000, 1280) == 1696
