from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import Cancelled, UserFacingError
from core.profiler import analyse
from core.profiler.s3_download import download
from core.progress import CancelToken
from core.report import Run, export


def _upload(bucket: Any, root: Path, prefix: str) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            bucket.upload_file(str(path), f"{prefix}/{path.relative_to(root).as_posix()}")


def test_a_job_in_a_bucket(bucket: Any, writer: Any, tmp_path: Path) -> None:
    writer.system(duration=5)
    writer.trace(steps=5)
    writer.aws_rule("BatchSize", {"RuleTriggered": 1})
    _upload(bucket, writer.root, "out/job-1/profiler-output")
    bucket.put_object(Key="out/job-1/output/model.tar.gz", Body=b"x" * 1000)
    bucket.put_object(Key="out/job-10/profiler-output/system/x.json", Body=b"of another job")
    analysis = analyse(f"s3://{bucket.name}/out/job-1")
    assert analysis.nodes == ("algo-1",)
    assert analysis.steps[0].count == 5
    assert "BatchSize" in analysis.aws_rules
    html = export(Run(f"s3://{bucket.name}/out/job-1/"), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "job-1" in html


def test_only_the_profilers_files_are_fetched(bucket: Any, writer: Any, tmp_path: Path) -> None:
    writer.system(duration=1)
    _upload(bucket, writer.root, "job")
    for key in ("job/output/model.tar.gz", "job/system/../../../escaped.json"):
        bucket.put_object(Key=key, Body=b"{}")
    target = tmp_path / "a" / "b"
    target.mkdir(parents=True)
    download(f"s3://{bucket.name}/job", target)
    assert {path.suffix for path in target.rglob("*") if path.is_file()} == {".json"}
    assert not list(tmp_path.glob("escaped.json"))
    assert not list((tmp_path / "a").glob("escaped.json"))


def test_a_report_of_aws_in_a_bucket(bucket: Any, writer: Any, tmp_path: Path) -> None:
    writer.system(duration=1)
    _upload(bucket, writer.root, "job/profiler-output")
    key = "job/rule-output/ProfilerReport-1/profiler-output/profiler-report.html"
    bucket.put_object(Key=key, Body=b"<html>by AWS</html>")
    assert export(Run(f"s3://{bucket.name}/{key}"), tmp_path / "aws.html").read_bytes() == b"<html>by AWS</html>"
    assert b"by AWS" not in export(Run(f"s3://{bucket.name}/job"), tmp_path / "ours.html").read_bytes()
    assert analyse(f"s3://{bucket.name}/job").aws_report is None, "the copy it lay in is gone"
    with pytest.raises(UserFacingError, match="could not be read"):
        export(Run(f"s3://{bucket.name}/none.html"), tmp_path / "none.html")


def test_an_empty_prefix(bucket: Any) -> None:
    with pytest.raises(UserFacingError, match=f"no profiler files under s3://{bucket.name}/none"):
        analyse(f"s3://{bucket.name}/none")


def test_a_bucket_that_is_not_there(bucket: Any) -> None:
    with pytest.raises(UserFacingError, match="could not be read"):
        analyse("s3://no-such-bucket-here/job")


def test_cancelling(bucket: Any, writer: Any, tmp_path: Path) -> None:
    writer.system(duration=1)
    _upload(bucket, writer.root, "job")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        download(f"s3://{bucket.name}/job", tmp_path, cancel=token)
