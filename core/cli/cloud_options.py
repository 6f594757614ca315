"""The options of commands that work with an AWS account."""

from __future__ import annotations

import argparse


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which account, region and bucket; those used last are the defaults."""
    group = parser.add_argument_group("AWS (what was given last is the default)")
    group.add_argument("--profile", help="a profile of your AWS configuration")
    group.add_argument("--region", help="for instance eu-west-1 (default: the profile's)")
    group.add_argument("--bucket", help="the S3 bucket for data, models and logs of jobs")
    group.add_argument("--role", help="the execution role that SageMaker takes on: a name or an ARN")
    group.add_argument("--prefix", help="where in the bucket everything lies (default sagehound)")
    group.add_argument("--image", help="a container image of your own instead of AWS's for PyTorch")


def add_resource_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what a job runs on."""
    group = parser.add_argument_group("SageMaker instances")
    group.add_argument("--instance-type", default="ml.m5.xlarge", metavar="TYPE", help="default %(default)s")
    group.add_argument("--volume-gb", type=int, default=30, metavar="GB", help="disk of the instance (default 30)")
    group.add_argument("--spot", action="store_true", help="use spare machines: cheaper, may be taken away meanwhile")
    group.add_argument("--max-wait", type=int, metavar="SECONDS", help="with --spot: longest wait and run together")
    group.add_argument("--max-runtime", type=int, metavar="SECONDS", help="longest run of one training job")
    group.add_argument("--max-cost", type=float, metavar="USD", help="do not start what may cost more than this")
    group.add_argument("--subnet", action="append", default=[], metavar="ID", help="run in your VPC")
    group.add_argument("--security-group", action="append", default=[], metavar="ID", help="of your VPC")
    group.add_argument("--network-isolation", action="store_true", help="let the container reach no network")
    group.add_argument("--kms-key", default="", metavar="ID", help="encrypt volume and output with your key")
    group.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="one more tag of the job")
