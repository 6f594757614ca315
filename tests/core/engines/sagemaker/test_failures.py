"""AWS's errors in words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from core.engines.sagemaker.failures import (
    TABLE,
    LoginNeeded,
    explain,
    explain_reason,
    traceback_of,
    translated,
)
from core.errors import EngineError

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
    assert traceback_of(["nothing"]) == ()


def test_every_row_says_what_and_what_to_do():
    for row in TABLE:
        assert row.meaning.endswith(".")
        assert row.fix.endswith((".", "?"))
