"""A short part of the campaigns: that they can be run, that they find harm, and that nothing is lost."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from core.jobs.status import JobStatus
from tests.reliability import __main__ as program
from tests.reliability.lab import Lab, Tally

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ATTEMPTS = {"kills": 2, "clocks": 1, "archives": 60, "pictures": 66}
if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mkfs.ext4") and Path("/dev/loop-control").exists():
    ATTEMPTS |= {"power": 2, "full_disk": 2}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_nothing_is_lost(name: str, tmp_path: Path) -> None:
    campaign = program.CAMPAIGNS[name]
    assert campaign.possible(tmp_path)
    tally = campaign.run(tmp_path, ATTEMPTS[name], 7)
    assert tally.lost == []
    assert tally.survived == tally.tried == ATTEMPTS[name]


def test_the_audit_finds_what_is_lost(tmp_path: Path) -> None:
    """A model that is spoilt without the store's knowledge, and a trial that says something else than it said."""
    lab = Lab(tmp_path / "home", tmp_path)
    with lab.opened():
        lab.start("search", max_jobs=2)
        lab.ended("search")
        told = lab.finished("search")
        first, second = sorted(told)
        artifact = Path(lab.engine.job(first).artifact)  # type: ignore[union-attr]
        content = bytearray(artifact.read_bytes())
        content[len(content) // 2] ^= 1
        artifact.write_bytes(content)
        assert lab.store is not None
        lab.store.update_job(second, reopen=True, objective=99.0)
    problems = lab.audit("search", told, max_jobs=2)
    assert any(f"the model of {first} is lost" in problem for problem in problems)
    assert any(f"{second} had" in problem for problem in problems)
    with lab.opened():
        lab.store.update_job(second, reopen=True, status=JobStatus.FAILED, secondary_status="Failed")
        assert "was finished and is Failed" in lab.audit("search", told, max_jobs=2)[1]


def test_the_report_has_a_row_for_each_campaign(tmp_path: Path) -> None:
    report = tmp_path / "RELIABILITY.md"
    report.write_text(program.REPORT.read_text(encoding="utf-8"), encoding="utf-8")
    tally = Tally("kill -9", 3, 2, ["something"])
    program.record(tally, report)
    program.record(tally, report)
    rows = [
        line for line in report.read_text(encoding="utf-8").splitlines() if line.startswith("| kill -9 | 3 | 2 | 1 |")
    ]
    assert len(rows) == 1
