"""JSON of others: nested without end, with numbers that no computer counts with, of another make. A sentence, soon."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.dataset.manifest import Manifest
from core.debugger.evaluate_rules import open_trial
from core.debugger.outcomes import read_outcomes
from core.engines.local.job_inputs import check_channels, count_pictures
from core.engines.local.runs import split_rule_line
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.errors import UserFacingError
from core.predict.evaluate import read_evaluation
from core.profiler.read_framework import entries_of, read_aws_rules, read_framework
from core.profiler.read_system import read_system
from core.settings import Settings, SettingsFile
from training_scripts.artifact import read_card
from training_scripts.data import load_channel
from training_scripts.feature_store import read_channel
from training_scripts.job import JobError

SYSTEM_FILE = "system/incremental/2026112700/1795300020.algo-1.json"
HUGE = "1" + "0" * 400
TEXTS = {
    "nested lists": "[" * 200_000,
    "nested objects": '{"a":' * 200_000,
    "null": "null",
    "a list": "[]",
    "a number": HUGE,
    "a number of thousands of digits": f'[{{"ph": "X", "ts": 1{"0" * 5000}}}]',
    "other kinds": json.dumps({"format": [], "classes": 3, "pictures": {"a": None}, "root": 7, "meta": [], "test": 1}),
    "numbers without bounds": (
        f'{{"format": 1, "pictures": [{{"path": "a", "label": {HUGE}}}], "classes": ["a"], "root": "/", "dim": 1e999,'
        f' "splits": ["train"], "matrix": "x", "status": "IssuesFound", "job": "j", "rule": "r", "time": {HUGE},'
        f' "fractions": [{HUGE}, 0, 0], "seed": 1e999, "test": {{"accuracy": {HUGE}, "confusion": 1e999}},'
        f' "meta": {{"mode": "TRAIN", "mode_step": 1e999}}, "preprocessing": {{"size": 1e999}}}}'
    ),
    "no text": "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
}
Reader = Callable[[Path, str], Any]


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def settings(folder: Path, text: str) -> None:
    assert SettingsFile(written(folder, "settings.json", text)).current == Settings()


def channel(folder: Path, text: str) -> None:
    written(folder, "channel/manifest.json", text)
    count_pictures(folder / "channel")
    check_channels({"train": str(folder / "channel")})


def trial(folder: Path, text: str) -> None:
    written(folder, "index/000000000/000000000000_worker_0.json", text)
    written(folder, "collections/000000000/worker_0_collections.json", text)
    written(folder, "END_OF_JOB", "")
    open_trial(folder).steps()


READERS: dict[str, Reader] = {
    "manifest": lambda folder, text: Manifest.load(written(folder, "m.json", text)),
    "channel": channel,
    "samples": lambda folder, text: load_channel(written(folder, "channel/manifest.json", text).parent),
    "features": lambda folder, text: read_channel(written(folder, "features.json", text).parent),
    "model.json": lambda folder, text: read_card(written(folder, "model.json", text).parent),
    "outcomes": lambda folder, text: read_outcomes(written(folder, "rules/a.json", text).parent.parent),
    "log line": lambda folder, text: split_rule_line(f"sagehound-rule {text}"),
    "evaluation": lambda folder, text: read_evaluation(written(folder, "evaluation.json", text).parent, "test"),
    "cloud notes": lambda folder, text: CloudJobState.load(written(folder, "cloud.json", text).parent),
    "AWS's rules": lambda folder, text: read_aws_rules(written(folder, "profiler-reports/A.json", text).parent.parent),
    "steps": lambda folder, text: read_framework(
        [written(folder, "framework/2026/1_0-algo-1_pythontimeline.json", text)]
    ),
    "system": lambda folder, text: read_system([written(folder, SYSTEM_FILE, text)]),
    "settings": settings,
    "tensors": trial,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_readers_say_so_or_make_do(read: Reader, text: str, tmp_path: Path) -> None:
    began = time.thread_time()
    with contextlib.suppress(JobError, UserFacingError):
        read(tmp_path, text)
    assert time.thread_time() - began < 5


@pytest.mark.parametrize("part", ['{"a":', '{"', "{", '{"a": "', '[{"ph": "X", '])
def test_a_broken_trace_takes_time_by_its_length_alone(part: str) -> None:
    """Twice as long takes twice the time, not four times."""

    def seconds(count: int) -> float:
        began = time.thread_time()
        entries_of(part * count)
        return time.thread_time() - began

    assert seconds(400_000) < max(4 * seconds(100_000), 1) * 2


def test_a_cut_trace_keeps_what_came_before_the_cut() -> None:
    entries = [{"ph": "X", "ts": number, "dur": 1, "args": {"a": "{"}} for number in range(1000)]
    text = json.dumps(entries)
    found = entries_of(text[: len(text) - 30])[1]
    assert [entry for entry in found if "ph" in entry] == entries[:999]
