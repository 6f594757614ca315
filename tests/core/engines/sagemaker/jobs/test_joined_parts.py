"""Parts of machines become one channel: what counts as there, what is computed once more, and what is said of it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from core.engines.sagemaker.connection.bucket_objects import BucketObjects
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.many_machines import FeatureParts, Joined, changed_text, lacking_text
from core.engines.sagemaker.tracking.feature_jobs import features_of
from training_scripts.feature_store import FeatureStore
from training_scripts.parts import Failure, Part, write_part

DIM = 8
KEY = "dataset-network-0"
ABOUT = {
    "backbone": "efficientnet_lite0",
    "weights": "untrained-0",
    "preprocessing": {},
    "runtime": "torch 2",
}


def sha(number):
    return f"{number:064x}"


def listed(count):
    """A manifest of pictures of two classes."""
    pictures = [{"path": f"a/{n}.jpg", "label": n % 2, "sha256": sha(n)} for n in range(count)]
    return {"train": {"format": 1, "root": ".", "classes": ["a", "b"], "levels": None, "pictures": pictures}}


@pytest.fixture
def parts(cloud, aws, workspace):
    cloud.forget()
    yield FeatureParts(BucketObjects(aws, workspace), workspace)
    cloud.forget()


@pytest.fixture
def leave(cloud, workspace, tmp_path):
    """Put what a machine of a job leaves into S3."""

    def put(job, host, numbers, failures=(), runtime="torch 2", network=True, changed=()):
        folder = tmp_path / job / host
        store = FeatureStore(folder, DIM)
        folder.mkdir(parents=True)
        store.append([sha(n) for n in numbers], np.ones((len(numbers), DIM), np.float32))
        (folder / "known.f32").write_bytes(b"")
        names = ["features.f32", "rows.index", "known.f32"]
        if network:
            (folder / "backbone.pth").write_bytes(b"a network")
            names.append("backbone.pth")
        about = {**ABOUT, "runtime": runtime}
        write_part(folder, Part(host, len(numbers), DIM, about, (), dict(failures), dict(changed)), names)
        base = workspace.uri("features", KEY, "first", "parts", job, "output", "model", host)
        for file in folder.iterdir():
            cloud.storage.write(f"{base}/{file.name}", file.read_bytes())

    return put


def about_channel(cloud, workspace):
    return json.loads(cloud.storage.read(f"{workspace.uri('features', KEY, 'first')}/features.json"))


def test_a_picture_that_could_not_be_read_once_is_left_to_one_more_job(parts, leave, cloud, workspace):
    lists = listed(6)
    leave("first", "algo-1", [0, 1, 2])
    leave("first", "algo-2", [3], {sha(4): Failure("Input/output error"), sha(5): Failure("It is none.", sha(5))})
    joined = parts.join(lists, KEY, "first")
    assert (joined.uri, joined.lacking) == ("", {sha(4)}), "the fault is not in the picture"
    accepted = parts.join(lists, KEY, "first", last=True)
    assert accepted.uri
    assert about_channel(cloud, workspace)["splits"] == {"train": 4}
    leave("second", "algo-1", [4])
    assert parts.join(lists, KEY, "first").uri
    assert about_channel(cloud, workspace)["splits"] == {"train": 5}


def test_parts_of_two_runtimes_are_not_mended_by_a_third_job(parts, leave):
    lists = listed(5)
    leave("first", "algo-1", [0])
    alone = parts.join(lists, KEY, "first")
    assert (alone.whole, len(alone.lacking)) == (1, 4)
    leave("second", "algo-1", [1, 2, 3], runtime="torch 3")
    mixed = parts.join(lists, KEY, "first")
    assert mixed.lacking == {sha(0), sha(4)}, "the runtime of most rows counts, whatever its job's name"
    assert mixed.whole == 0, "nothing is put beside them: it is begun again"
    leave("third", "algo-1", [0, 4], runtime="torch 3")
    assert parts.join(lists, KEY, "first").uri


def test_a_channel_without_its_network_is_not_whole(parts, leave, cloud, workspace):
    leave("first", "algo-1", [0, 1])
    leave("first", "algo-2", [2, 3], network=False)
    joined = parts.join(listed(4), KEY, "first")
    folder = joined.uri.removeprefix(f"s3://{workspace.bucket}/")
    assert parts.has_matrices(folder)
    cloud.storage.delete(f"{joined.uri}/{about_channel(cloud, workspace)['backbone_state']}")
    assert not parts.has_matrices(folder)
    assert parts.join(listed(4), KEY, "first").lacking == {sha(0), sha(1)}


def test_what_lacks_and_what_changed_is_said(parts, leave):
    lists = listed(5)
    leave("first", "algo-1", [0, 1, 9], changed={sha(2): sha(9), sha(7): sha(1)})
    lacking = parts.join(lists, KEY, "first")
    assert lacking_text(lacking) == (
        "The machines left 2 pictures without features, a/3.jpg among them. Start it again: what was computed is kept "
        "where it fits."
    )
    leave("second", "algo-1", [3, 4])
    joined = parts.join(lists, KEY, "first")
    assert joined.changed == 1
    assert changed_text(joined.changed) == "1 picture changed after the scan; it is used as it is now."


def test_lists_that_are_there_are_not_sent_again(parts, cloud, workspace):
    place = parts.put_lists(listed(3))
    cloud.storage.write(f"{place}/train.json", b"as it was")
    assert parts.put_lists(listed(3)) == place
    assert cloud.storage.read(f"{place}/train.json") == b"as it was", "the key says the content"
    assert parts.put_lists(listed(3), {sha(1)}) != place


def test_pictures_that_changed_become_a_notice_of_the_job(tmp_path):
    notices = []
    store = SimpleNamespace(spec=lambda name: None, add_notice=lambda *notice: notices.append(notice))
    creator = SimpleNamespace(join_parts=lambda *_: Joined("s3://bucket/features", changed=2))
    notes = CloudJobState(features_key=KEY, features_job="a-features", features_first="a-features")
    assert features_of(creator, store, tmp_path / "a", notes) == ("s3://bucket/features", "")
    assert notices == [("a", "2 pictures changed after the scan; they are used as they are now.")]
