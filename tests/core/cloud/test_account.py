"""Connections as they are remembered."""

from __future__ import annotations

import pytest

from core.cloud.account import Connection
from core.settings import SettingsFile


@pytest.fixture
def settings(tmp_path):
    return SettingsFile(tmp_path / "settings.json")


def test_a_connection_is_there_the_next_time(settings, tmp_path):
    used = Connection("work", "eu-west-1", "pictures", "arn:aws:iam::123456789012:role/jobs", kms_key="key")
    used.remember(settings)
    assert Connection.recall(SettingsFile(tmp_path / "settings.json")) == used


@pytest.mark.parametrize("kept", [None, [], "bucket", 7, {"bucket": None, "role": 3, "colour": "red"}])
def test_what_was_damaged_by_hand_is_no_connection(settings, kept):
    settings.remember("sagemaker", kept)
    assert Connection.recall(settings) == Connection()


def test_what_is_whole_of_a_damaged_one_is_kept(settings):
    settings.remember("sagemaker", {"bucket": "pictures", "role": 3, "prefix": ""})
    assert Connection.recall(settings) == Connection(bucket="pictures", prefix="")


def test_jobs_can_be_started_with_bucket_and_role():
    assert not Connection(bucket="pictures").is_complete
    assert not Connection(role="jobs").is_complete
    assert Connection(bucket="pictures", role="jobs").is_complete


def test_only_what_was_given_changes():
    assert Connection("work", bucket="one").changed(bucket="two", profile=None) == Connection("work", bucket="two")
    assert Connection(prefix="ours").changed(prefix="") == Connection(prefix="")
