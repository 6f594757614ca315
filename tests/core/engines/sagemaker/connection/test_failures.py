"""AWS's errors in words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from core.engines.sagemaker.connection.console_urls import log_url
from core.engines.sagemaker.connection.failure_table import TABLE
from core.engines.sagemaker.connection.failures import LoginNeeded, explain, explain_reason, translated
from core.engines.sagemaker.connection.json_files import write_json
from core.engines.sagemaker.tracking.logs import job_log_url
from core.errors import EngineError
from core.jobs.tracebacks import traceback_of

QUOTA = (
    "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances, with current utilization "
    "of 0 Instances and a request delta of 1 Instances."
)


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        ("ResourceLimitExceeded", QUOTA, "“ml.g4dn.xlarge for training job usage” is 0"),
        (
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/dev is not authorized to perform: iam:PassRole on resource: "
            "arn:aws:iam::1:role/X because no identity-based policy allows the iam:PassRole action",
            "may not hand the role arn:aws:iam::1:role/X",
        ),
        (
            "AccessDeniedException",
            "User: u is not authorized to perform: sagemaker:CreateTrainingJob on resource: *",
            "lacks the permission sagemaker:CreateTrainingJob",
        ),
        ("ValidationException", "Could not assume role arn:aws:iam::1:role/X. Please", "trust policy"),
        ("ValidationException", 'No S3 objects found under S3 URL "s3://b/x" given in', "nothing under s3://b/x"),
        ("ThrottlingException", "Rate exceeded", "asked too often"),
        ("ResourceInUse", "Training job names must be unique.", "name is taken"),
        ("PermanentRedirect", "must be addressed using the specified endpoint", "another region"),
        ("UnrecognizedClientException", "The security token included in the request is invalid", "does not know"),
        ("ModelError", "Received server error (500) from primary", "raised an error"),
    ],
)
def test_known_errors_are_explained(code, message, says):
    error = explain(code, message, "The job could not be started.")
    assert error.what == "The job could not be started."
    assert says in error.why
    assert error.fix


def test_what_aws_finds_invalid_is_said_in_its_own_words():
    said = "The instance type ml.m5.large and the volume size 4 GB do not go together."
    error = explain("ValidationException", f"1 validation error detected: {said}")
    assert error.why.startswith(f"1 validation error detected: {said}")
    assert "letters, digits and hyphens" not in error.fix
    value = "Value 'a b' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression"
    assert "letters, digits and hyphens" in explain("ValidationException", f"1 validation error detected: {value}").fix


def test_of_the_many_values_that_aws_lists_a_few_are_shown():
    types = ", ".join(f"ml.m{number}.large" for number in range(200))
    said = f"Value 'ml.bogus' at 'instanceType' failed to satisfy constraint: Member must be in: [{types}]"
    why = explain("ValidationException", said).why
    assert "Value 'ml.bogus' at 'instanceType'" in why
    assert "ml.m7.large, …]." in why
    assert len(why) < 400


def test_a_container_without_a_way_to_a_package_index_says_so():
    said = explain_reason("AlgorithmError: InstallRequirementsError: ExitCode 1, exit code: 1")
    assert "reaches no package index, as in subnets without a way out" in said


def test_an_ended_session_says_how_to_log_in():
    error = explain("ExpiredTokenException", "The security token included in the request is expired", profile="dev")
    assert isinstance(error, LoginNeeded)
    assert "aws sso login --profile dev" in error.fix


def test_what_is_unknown_is_shown_as_it_came():
    error = explain("Whatever", "The moon is full", "It failed.")
    assert str(error) == "It failed. Whatever: The moon is full."


def test_a_failure_reason_keeps_aws_words_and_adds_the_meaning():
    raw = "CapacityError: Unable to provision requested ML compute capacity. Please retry"
    assert explain_reason(raw).startswith(raw)
    assert "not your quota" in explain_reason(raw)
    assert explain_reason("The well ran dry.") == "The well ran dry."
    assert explain_reason("") == ""


def test_botocore_errors_become_sentences():
    with pytest.raises(EngineError) as caught, translated("It failed."):
        raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "x"}}, "HeadBucket")
    assert "no such bucket" in caught.value.why
    with pytest.raises(EngineError, match="does not answer"), translated("It failed."):
        raise EndpointConnectionError(endpoint_url="https://x")


def test_a_defect_is_not_dressed_up():
    with pytest.raises(ZeroDivisionError), translated("It failed."):
        raise ZeroDivisionError


def test_the_last_traceback_is_found():
    lines = ["a", "Traceback (most recent call last):", "  File x", "OSError: first", "b"]
    lines += [
        "Traceback (most recent call last):",
        '  File "train.py", line 3',
        "    boom()",
        "ValueError: second",
        "c",
    ]
    assert traceback_of(lines)[0].startswith("Traceback")
    assert traceback_of(lines)[-1] == "ValueError: second"
    assert len(traceback_of(lines)) == 4
    flat = [line.strip() for line in lines]  # as AWS's toolkit prints them
    assert traceback_of(flat) == tuple(line.strip() for line in traceback_of(lines))
    assert traceback_of(["nothing"]) == ()


def test_every_row_says_what_and_what_to_do():
    for row in TABLE:
        assert row.meaning.endswith(".")
        assert row.fix.endswith((".", "?"))


def test_the_page_of_a_log_is_written_as_the_console_takes_it_apart():
    page = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
    group = "/aws/sagemaker/TrainingJobs"
    assert log_url("eu-west-1", group) == f"{page}$252Faws$252Fsagemaker$252FTrainingJobs"
    assert log_url("eu-west-1", group, "job/algo-1-17").endswith("TrainingJobs/log-events/job$252Falgo-1-17")
    assert log_url("eu-west-1", group, prefix="job").endswith("TrainingJobs$3FlogStreamNameFilter$3Djob")
    assert log_url("eu-west-1", group, "[$LATEST]x").endswith("/log-events/$255B$2524LATEST$255Dx")
    assert log_url("cn-north-1", group).startswith("https://console.amazonaws.cn/cloudwatch/home?region=cn-north-1#")
    assert log_url("us-gov-west-1", group).startswith("https://console.amazonaws-us-gov.com/")


def test_a_job_is_linked_to_its_stream_or_to_all_that_it_may_have(tmp_path):
    assert job_log_url("eu-west-1", "job", tmp_path).endswith("$3FlogStreamNameFilter$3Djob")
    write_json(tmp_path / "log.json", {"streams": {"job/algo-1-17": None, "job-features/algo-1-3": None}})
    assert job_log_url("eu-west-1", "job", tmp_path).endswith("/log-events/job$252Falgo-1-17")
    write_json(tmp_path / "log.json", {"streams": {"job/algo-1-17": None, "job/algo-2-17": None}})
    assert job_log_url("eu-west-1", "job", tmp_path).endswith("$3FlogStreamNameFilter$3Djob")
