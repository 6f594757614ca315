"""The options of commands that work with an AWS account."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from core.cli.spec_options import add_options
from core.jobs.specs import CloudResources, ManagedDebugger
from core.translation import tr


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for account, region and bucket; those used last are the defaults."""
    group = parser.add_argument_group(tr("AWS (what was given last is the default)"))
    group.add_argument("--profile", help=tr("a profile of your AWS configuration"))
    group.add_argument("--region", help=tr("for instance eu-west-1 (default: the profile's)"))
    group.add_argument("--bucket", help=tr("the S3 bucket for data, models and logs of jobs"))
    group.add_argument("--role", help=tr("the execution role that SageMaker takes on: a name or an ARN"))
    group.add_argument("--prefix", help=tr("where in the bucket everything is (default sagehound)"))
    group.add_argument("--image", help=tr("a container image of your own instead of AWS's for PyTorch"))
    group.add_argument(
        "--kms-key",
        metavar="KEY",
        help=tr('encrypt uploads, and the output and disk of jobs, with this KMS key (id, alias or ARN; "" for none)'),
    )


def add_resource_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a job runs on."""
    group = parser.add_argument_group(tr("SageMaker instances"))
    add_options(group, CloudResources)
    group.add_argument("--max-cost", type=float, metavar="USD", help=tr("do not start what may cost more than this"))


def add_managed_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train` that attach AWS's own Debugger."""
    group = parser.add_argument_group(
        tr("AWS's managed Debugger (accounts that have it; not for the trials of a tuning job)")
    )
    group.add_argument(
        "--aws-debugger",
        action="store_true",
        help=tr("attach AWS's Debugger and its ProfilerReport; no extra cost, says AWS"),
    )
    group.add_argument(
        "--aws-rule",
        action="append",
        default=[],
        metavar="RULE[:NAME=VALUE,…]",
        help=tr(
            "with --aws-debugger: these of AWS's rules instead of the usual ones, for instance "
            "VanishingGradient:threshold=1e-6 (a wrong name lists them all)"
        ),
    )
    group.add_argument("--no-aws-rules", action="store_true", help=tr("with --aws-debugger: the report alone"))
    add_options(group, ManagedDebugger)
    group.add_argument(
        "--without-if-refused",
        action="store_true",
        help=tr("with --aws-debugger: start without it where AWS refuses it"),
    )


def add_cloud_commands(
    command: Callable[[str, str], argparse.ArgumentParser], add_split: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add the commands that only make sense with an AWS account."""
    upload = command("upload", tr("upload a dataset to S3: only what is new, each object checked"))
    upload.epilog = tr(
        "Ctrl-Z pauses, `fg` continues; after Ctrl-C or a crash the same command continues where it was."
    )
    upload.add_argument("dataset", help=tr("a folder of labelled pictures, or `sample`"))
    upload.add_argument("destination", metavar="s3://BUCKET/PREFIX", help=tr("its version is put below this"))
    add_split(upload)
    _add_preflight(command("preflight", tr("check the AWS account before anything is billed")))
    adopt = command("adopt", tr("follow a job of the AWS account that was not started here"))
    adopt.add_argument("job", nargs="?", default="", help=tr("its name; without one, the latest jobs are listed"))
    adopt.add_argument("--detach", action="store_true", help=tr("return at once; it is followed all the same"))
    _add_deploy(deploy := command("deploy", tr("rehearse a model on this computer, then make an endpoint of it")))
    endpoints = command("endpoints", tr("list the endpoints of the region: age, price, cost so far"))
    endpoints.add_argument("name", nargs="?", default="", help=tr("show this one alone, with the end of its log"))
    endpoints.add_argument(
        "--delete-expired", action="store_true", help=tr("delete those of Sagehound whose life is over")
    )
    undeploy = command("undeploy", tr("delete an endpoint, its configuration and its model"))
    undeploy.add_argument("name", help=tr("the endpoint's name"))
    undeploy.add_argument("--force", action="store_true", help=tr("also one that Sagehound did not make"))
    undeploy.add_argument("--detach", action="store_true", help=tr("do not wait until AWS lets it be deleted"))
    undeploy.add_argument("--keep", action="store_true", help=tr("do not delete it after all, where that still waits"))
    for parser in (upload, adopt, deploy, endpoints, undeploy):
        add_connection_options(parser)


def _add_preflight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--instance-type", default="ml.m5.xlarge", metavar="TYPE", help=tr("of jobs (default %(default)s)")
    )
    parser.add_argument(
        "--instance-count", type=int, default=1, metavar="N", help=tr("machines of one job (default 1)")
    )
    parser.add_argument(
        "--feature-machines", type=int, default=1, metavar="N", help=tr("machines that compute features (default 1)")
    )
    parser.add_argument(
        "--feature-instance-type", default="", metavar="TYPE", help=tr("of these machines (default --instance-type)")
    )
    parser.add_argument("--spot", action="store_true", help=tr("jobs on spot instances"))
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help=tr("jobs at once (default 1)"))
    parser.add_argument("--endpoint-type", metavar="TYPE", help=tr("also check the quota of endpoints on this type"))
    parser.add_argument("--roles", action="store_true", help=tr("list the roles that SageMaker may take on"))
    parser.add_argument("--buckets", action="store_true", help=tr("list the buckets of the region"))
    parser.add_argument("--policies", action="store_true", help=tr("print the least-privilege policies to copy"))
    parser.add_argument("--vpc", action="store_true", help=tr("with --policies: also what jobs in your VPC need"))
    parser.add_argument("--aws-debugger", action="store_true", help=tr("also what jobs with AWS's own Debugger need"))
    parser.add_argument(
        "--reset-aws-debugger",
        action="store_true",
        help=tr("forget what AWS said of its Debugger: the next job asks again"),
    )
    parser.add_argument("--create-bucket", metavar="NAME", help=tr("create this bucket: private, encrypted"))
    add_connection_options(parser)


def _add_deploy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help=tr("a job's name or `best`, trained here or on SageMaker"))
    parser.add_argument("--name", help=tr("of the endpoint (default: the training job's)"))
    parser.add_argument(
        "--update",
        metavar="ENDPOINT",
        help=tr("put the model behind this one, which stays as it is but for what is given"),
    )
    parser.add_argument("--instance-type", metavar="TYPE", help=tr("a machine that is always on (default: serverless)"))
    parser.add_argument("--memory-mb", type=int, metavar="MB", help=tr("of serverless (default 4096)"))
    parser.add_argument("--lifetime", type=float, metavar="HOURS", help=tr("delete it after (default 2; 0: never)"))
    parser.add_argument(
        "--container",
        choices=("ray-serve", "pytorch"),
        help=tr(
            "what serves it: AWS's supported Ray Serve, or its last PyTorch container, which starts "
            "sooner but is not patched any more (default: ray-serve on a machine, pytorch on "
            "serverless)"
        ),
    )
    parser.add_argument("--subnet", action="append", metavar="ID", help=tr("run the machine in your VPC"))
    parser.add_argument("--security-group", action="append", metavar="ID", help=tr("of your VPC"))
    parser.add_argument("--disk-kms-key", metavar="KEY", help=tr("encrypt the machine's disk with this KMS key"))
    parser.add_argument(
        "--trust-code", action="store_true", help=tr("run also code that an adopted job's model brings, here and there")
    )
    parser.add_argument("--picture", metavar="FILE", help=tr("what to rehearse with (default: one of the dataset)"))
    parser.add_argument("--detach", action="store_true", help=tr("return before it is in service"))
