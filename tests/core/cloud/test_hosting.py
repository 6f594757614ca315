"""What an endpoint may be."""

from __future__ import annotations

import time

import pytest

from core.cloud.hosting import Container, Hosting
from core.errors import EngineError


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"memory_mb": 1500}, "1500 MB"),
        ({"memory_mb": 7168}, "7168 MB"),
        ({"instance_type": "ml.m5.large", "subnets": ("subnet-1",)}, "both, subnets and security groups"),
        ({"subnets": ("subnet-1",), "security_groups": ("sg-1",)}, "no VPC"),
        ({"kms_key": "key"}, "takes no key"),
        ({"instance_type": "ml.g4dn.xlarge", "kms_key": "key"}, "no key for its disk"),
    ],
)
def test_what_aws_does_not_have_is_refused_before_it_is_asked(asked, why):
    with pytest.raises(EngineError, match=why):
        Hosting(**asked)


def test_the_container_follows_the_machine_unless_one_is_chosen():
    assert Hosting("ml.m5.large").runs_in is Container.RAY_SERVE
    assert Hosting().runs_in is Container.PYTORCH
    assert Hosting(container=Container.RAY_SERVE).runs_in is Container.RAY_SERVE


def test_an_endpoint_ends_unless_it_was_asked_to_stay():
    assert Hosting(lifetime_s=None).expires() is None
    assert Hosting(lifetime_s=60).expires() == pytest.approx(time.time() + 60, abs=5)
    assert Hosting().expires() is not None
