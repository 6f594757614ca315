"""The table of what AWS's errors and failure reasons mean. It is one table, and so one file.

The signals are AWS's own wordings; where several fit, the first counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.translation import tr

LOGIN_CODES = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "UnauthorizedSSOTokenError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "CredentialRetrievalError",
)
"""Codes and exception names of a session that has ended: log in again and continue."""

THROTTLED_CODES = ("ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded")
"""AWS is asked too often at the moment."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row: `codes` are error codes or exception names (empty: any), `pattern` is searched in the message.

    `meaning` and `fix` are one sentence each; {1}, {2} stand for the pattern's groups.
    """

    codes: tuple[str, ...]
    pattern: str
    meaning: str
    fix: str


_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
INVALID = ("ValidationException", "ValidationError")

TABLE: tuple[Failure, ...] = (
    Failure(
        ("ResourceLimitExceeded",),
        r"Number of instances across all processing jobs",
        tr("Debugger rules run on processing instances, and your account's quota for those is used up."),
        tr("Choose fewer of AWS's rules, or raise that quota in Service Quotas."),
    ),
    Failure(
        ("ResourceLimitExceeded",),
        r"service limit '(.+?)' is (\d+)",
        tr("Your account's quota “{1}” is {2}."),
        tr("Choose another instance type, fewer jobs at once, or ask for more of “{1}” in Service Quotas."),
    ),
    Failure(
        ("ResourceLimitExceeded",),
        r"",
        tr("A quota of your account is used up."),
        tr("Wait for other jobs to end, choose less, or ask for more in Service Quotas."),
    ),
    Failure(
        (),
        r"requested resource \S*?/?(ml\.[\w.]+) is not available in this region",
        tr("{1} is not offered in this region."),
        tr("Choose another instance type or another region."),
    ),
    Failure(
        (),
        r"CapacityError|Unable to provision requested ML compute capacity|InsufficientInstanceCapacity",
        tr("AWS has no such machine free at the moment; this is not your quota."),
        tr("Try later, or choose another instance type; for spot, on-demand or a longer wait."),
    ),
    Failure(
        _DENIED,
        r"not authorized to perform: iam:PassRole on resource: (\S+)",
        tr("Your user may not hand the role {1} to SageMaker."),
        tr("Give your user iam:PassRole on that role; `sagehound preflight --policies` prints the policy."),
    ),
    Failure(
        _DENIED,
        r"explicit deny|service control policy",
        tr("A policy of your organisation forbids this."),
        tr("Ask the administrator of the AWS account."),
    ),
    Failure(
        _DENIED,
        r"not authorized to perform: ([\w-]+:\w+)",
        tr("Your AWS user lacks the permission {1}."),
        tr("Add {1} to its policy; `sagehound preflight --policies` prints the one that is needed."),
    ),
    Failure(
        _DENIED,
        r"",
        tr("AWS denied the access."),
        tr("See which permission is missing with `sagehound preflight`."),
    ),
    Failure(
        (),
        r"Could not assume role (\S+)",
        tr(
            "SageMaker could not take on the role {1}: its trust policy lacks "
            "sagemaker.amazonaws.com, or it is brand new."
        ),
        tr("Correct the trust policy, or wait half a minute and try again."),
    ),
    Failure(
        (),
        r"No S3 objects found under S3 URL \"?(s3://[^\"\s]+)",
        tr("SageMaker finds nothing under {1}: a wrong place, a wrong region, or the role may not list the bucket."),
        tr("Check these three in that order; uploading the dataset again is cheap."),
    ),
    Failure(
        ("PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        r"",
        tr("The bucket is in another region."),
        tr("Choose a bucket of the region in use."),
    ),
    Failure(
        (),
        r"BucketRegionError|bucket must be in the same region",
        tr("The bucket is in another region than the job."),
        tr("Choose a bucket of the job's region."),
    ),
    Failure(
        ("NoSuchBucket",), r"", tr("There is no such bucket."), tr("Choose another one, or let Sagehound create it.")
    ),
    Failure(
        ("NoSuchEntity",),
        r"",
        tr("IAM knows nothing of that name in this account."),
        tr("Choose one that exists; `sagehound preflight --roles` lists the roles."),
    ),
    Failure(
        ("BucketAlreadyExists",),
        r"",
        tr("Someone else has a bucket of that name."),
        tr("Choose another name for the bucket."),
    ),
    Failure(
        INVALID,
        r"MaxWaitTimeInSeconds",
        tr("The longest wait belongs to spot training and must not be shorter than the longest run time."),
        tr("Set both for spot, or none."),
    ),
    Failure(
        ("ResourceInUse",),
        r"",
        tr("The name is taken; SageMaker never gives a job's name twice."),
        tr("Choose another name."),
    ),
    Failure(
        INVALID,
        r"Cannot create already existing",
        tr("Something of that name exists already."),
        tr("Choose another name."),
    ),
    Failure(
        (*INVALID, "ResourceNotFound", "ResourceNotFoundException"),
        r"Could not find|not found|does not exist",
        tr("It does not exist (any more), or it is in another region."),
        tr("Check the name and the region."),
    ),
    Failure(
        ("ParamValidationError", *INVALID),
        r"at '[\w.]*[nN]ame' failed to satisfy constraint",
        tr("AWS does not take the name."),
        tr("Names are letters, digits and hyphens, at most 63 characters, 32 for a tuning job."),
    ),
    Failure(
        ("ParamValidationError", *INVALID),
        r"regular expression pattern|Parameter validation failed|validation errors? detected",
        tr("AWS does not take one of the values."),
        tr("Correct the value that it names."),
    ),
    Failure(
        THROTTLED_CODES,
        r"",
        tr("AWS is asked too often at the moment."),
        tr("Wait a little; Sagehound tries again by itself."),
    ),
    Failure(
        LOGIN_CODES,
        r"",
        tr("Your AWS session has ended; jobs continue untouched."),
        tr("Log in again, with `{login}`."),
    ),
    Failure(
        ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"),
        r"",
        tr("AWS does not know these credentials."),
        tr("Configure the profile again, with `aws configure`."),
    ),
    Failure(
        ("SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"),
        r"",
        tr("The secret key is wrong, or this computer's clock is."),
        tr("Set the clock, or configure the profile again."),
    ),
    Failure(
        ("NoCredentialsError", "PartialCredentialsError"),
        r"",
        tr("There are no AWS credentials on this computer."),
        tr("Choose a profile, or run `aws configure` or `aws sso login`."),
    ),
    Failure(
        ("ProfileNotFound",),
        r"",
        tr("There is no such AWS profile."),
        tr("Choose another, or make it with `aws configure`."),
    ),
    Failure(
        (
            *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"),
            *("SSLError", "ProxyConnectionError", "HTTPClientError", "ConnectionError"),
        ),
        r"",
        tr("AWS does not answer."),
        tr("Check the network, the proxy and the region's name."),
    ),
    Failure(
        ("OptInRequired", "SubscriptionRequiredException"),
        r"",
        tr("The account is not active, or this region is not enabled for it."),
        tr("Enable the region in the AWS console."),
    ),
    Failure(
        (),
        r"CUDA out of memory|OutOfMemoryError",
        tr("The GPU's memory was not enough."),
        tr("Choose a smaller batch_size or a bigger instance type."),
    ),
    Failure(
        (),
        r"[Ee]xit ?[Cc]ode:? ?137\b|SIGKILL",
        tr("The machine's memory was not enough, so the script was killed."),
        tr("Choose a bigger instance type or a smaller batch_size."),
    ),
    Failure((), r"No space left on device", tr("The volume was full."), tr("Ask for a bigger volume.")),
    Failure(
        (),
        r"unrecognized arguments: (.+)",
        tr("The training script does not know the arguments {1}."),
        tr("Remove those hyperparameters."),
    ),
    Failure(
        (),
        r"Cannot find repository|manifest unknown|CannotPullContainer",
        tr("The container image does not exist there."),
        tr("Check the image's address and its region."),
    ),
    Failure(
        (),
        r"InstallRequirementsError|No matching distribution found for",
        tr(
            "The container could not install what requirements.txt names: it reaches no package "
            "index, as in subnets without a way out, or a package is not there."
        ),
        tr("Let its subnets reach a package index, or name an image that has the packages."),
    ),
    Failure(
        (),
        r"AlgorithmError",
        tr("The training script ended with an error."),
        tr("See the end of the log, where its traceback is."),
    ),
    Failure(
        (),
        r"InternalServerError|We encountered an internal error|InternalFailure|ServiceUnavailable",
        tr("AWS broke, or the machine died, often for want of memory."),
        tr("Try once more, then a bigger instance type."),
    ),
    Failure(
        (),
        r"did not pass the ping health check",
        tr("The endpoint's container did not start."),
        tr("See the endpoint's log; a rehearsal on this computer finds most causes."),
    ),
    Failure(
        ("ModelNotReadyException",),
        r"",
        tr("The serverless endpoint is still waking up."),
        tr("Wait a little and ask again."),
    ),
    Failure(
        ("ModelError",),
        r"client error \(4\d\d\).*? message \"(.+?)\.?\"",
        tr("The endpoint refused the picture: {1}."),
        tr("Send a picture that can be read."),
    ),
    Failure(
        ("ModelError",),
        r"",
        tr("The model's code at the endpoint raised an error."),
        tr("See the endpoint's log in the list of endpoints, or with `sagehound endpoints NAME`."),
    ),
    Failure(
        ("413", "RequestEntityTooLarge"),
        r"",
        tr("The picture is larger than the endpoint takes."),
        tr("Send a smaller one."),
    ),
    Failure(
        ("MaxRuntimeExceeded",),
        r"",
        tr("It was stopped at its longest run time; what it had saved until then is kept."),
        tr("Allow it more time, or take fewer epochs or a faster instance type."),
    ),
    Failure(
        ("MaxWaitTimeExceeded",),
        r"",
        tr("It was given up at its longest wait: AWS had no spare machine for it in time."),
        tr("Allow a longer wait, or take on-demand machines or another instance type."),
    ),
    Failure(
        ("Interrupted",),
        r"",
        tr("AWS took the spare machine back, and had no other one for it."),
        tr("Start it again, or take on-demand machines."),
    ),
    Failure(
        (),
        r"No objective metrics? found|objective metric was not found",
        tr("The regex of the objective matched no line of the log."),
        tr("Test the regex against the log."),
    ),
)
