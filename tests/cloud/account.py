"""What moto lacks of an account: rights simulated, quotas listed and kept, prices. Canned figures, AWS's formats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import IAMBackend, iam_backends

from tests.cloud.faults import AwsError, quota_exceeded

_PRICES = Path(__file__).with_name("prices.json")
_IAM = "https://iam.amazonaws.com/doc/2010-05-08/"
_KNOWN_CODES = {
    "ml.m5.large for training job usage": "L-611FA074",
    "ml.m5.large for endpoint usage": "L-614B09FD",
    "ml.m5.xlarge for spot training job usage": "L-4CEE6BA6",
    "ml.g4dn.xlarge for training job usage": "L-3F53BF0F",
    "ml.g5.xlarge for training job usage": "L-B6D80D9C",
}
_TYPES = ("ml.m5.large", "ml.m5.xlarge", "ml.c5.xlarge", "ml.g4dn.xlarge", "ml.g5.xlarge")
_USES = ("training job usage", "spot training job usage", "endpoint usage")


class Account:
    """Rights, quotas and prices of the stand-in's account.

    Attributes:
        quotas: SageMaker's, by their names; what is not named is not limited.
        denied: patterns of actions that are explicitly denied to everyone, such as "sagemaker:Create*".
    """

    def __init__(self, number: str, region: str) -> None:
        self._number, self._region = number, region
        self.quotas: dict[str, int] = {}
        self.denied: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Back to what a new account has."""
        self.quotas = {f"{kind} for {use}": 20 for kind in _TYPES for use in _USES}
        self.denied = set()

    def check_quota(self, name: str, used: int, wanted: int) -> None:
        """Raise AWS's ResourceLimitExceeded where `wanted` more instances exceed a quota."""
        limit = self.quotas.get(name)
        if limit is not None and used + wanted > limit:
            raise AwsError(*quota_exceeded(name, limit, used, wanted))

    def list_service_quotas(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """ListServiceQuotas."""
        if request["ServiceCode"] != "sagemaker":
            raise AwsError(
                "NoSuchResourceException", "The request failed because the specified service does not exist."
            )
        names = sorted(self.quotas)
        start = int(request.get("NextToken", "0"))
        stop = start + request.get("MaxResults", 100)
        answer: dict[str, Any] = {"Quotas": [self._quota(name) for name in names[start:stop]]}
        return {**answer, "NextToken": str(stop)} if stop < len(names) else answer

    def get_service_quota(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """GetServiceQuota."""
        for name in self.quotas:
            if _code(name) == request["QuotaCode"]:
                return {"Quota": self._quota(name)}
        raise AwsError("NoSuchResourceException", "The request failed because the specified quota does not exist.")

    def get_products(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """GetProducts, with TERM_MATCH filters."""
        wanted = {item["Field"]: item["Value"] for item in request.get("Filters", ())}
        found = [
            json.dumps(product)
            for product in _products()
            if all(product["product"]["attributes"].get(field) == value for field, value in wanted.items())
        ]
        return {"FormatVersion": "aws_v1", "PriceList": found if request["ServiceCode"] == "AmazonSageMaker" else []}

    def simulate_principal_policy(self, form: Mapping[str, str]) -> str:
        """SimulatePrincipalPolicy: the body of the answer.

        The policies of the user or role decide; a user that IAM does not know (moto's own) may do everything.
        """
        actions = [value for key, value in form.items() if key.startswith("ActionNames.member.")]
        resources = [value for key, value in form.items() if key.startswith("ResourceArns.member.")] or ["*"]
        policies = self._policies(form["PolicySourceArn"])
        members = "".join(
            f"<member><EvalActionName>{escape(action)}</EvalActionName>"
            f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
            f"<EvalDecision>{self._decision(policies, action, resource)}</EvalDecision>"
            "<MatchedStatements/><MissingContextValues/></member>"
            for action in actions
            for resource in resources
        )
        return (
            f'<SimulatePrincipalPolicyResponse xmlns="{_IAM}"><SimulatePrincipalPolicyResult>'
            f"<IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults>"
            "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        )

    def _decision(self, policies: list[IAMPolicy] | None, action: str, resource: str) -> str:
        if any(fnmatchcase(action, pattern) for pattern in self.denied):
            return "explicitDeny"
        # iam:PassRole is granted for one service only; the simulation is asked about SageMaker.
        values = {"iam:PassedToService": "sagemaker.amazonaws.com"}
        results = [policy.is_action_permitted(action, resource, None, values) for policy in policies or ()]
        if PermissionResult.DENIED in results:
            return "explicitDeny"
        return "allowed" if policies is None or PermissionResult.PERMITTED in results else "implicitDeny"

    def _policies(self, arn: str) -> list[IAMPolicy] | None:
        backend: IAMBackend = iam_backends[self._number]["aws"]
        kind, _, path = arn.rpartition(":")[2].partition("/")
        name = path.rpartition("/")[2]
        holders: list[Any] = list((backend.roles if kind == "role" else backend.users).values())
        holder = next((holder for holder in holders if holder.name == name), None)
        if holder is not None:
            return [IAMPolicy(policy) for policy in (*holder.policies.values(), *holder.managed_policies.values())]
        if kind == "user":
            return None
        raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)

    def _quota(self, name: str) -> dict[str, Any]:
        code = _code(name)
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": f"arn:aws:servicequotas:{self._region}:{self._number}:sagemaker/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(self.quotas[name]),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


JSON_CALLS: dict[tuple[str, str], Callable[[Account, Mapping[str, Any]], Mapping[str, Any]]] = {
    ("servicequotas", "ListServiceQuotas"): Account.list_service_quotas,
    ("servicequotas", "GetServiceQuota"): Account.get_service_quota,
    ("pricing", "GetProducts"): Account.get_products,
}
QUERY_CALLS: dict[tuple[str, str], Callable[[Account, Mapping[str, str]], str]] = {
    ("iam", "SimulatePrincipalPolicy"): Account.simulate_principal_policy,
}


def _code(name: str) -> str:
    return _KNOWN_CODES.get(name) or f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}"


def _products() -> Iterator[dict[str, Any]]:
    for row in json.loads(_PRICES.read_text(encoding="utf-8"))["instances"]:
        kind, region, component, usd = row["type"], row["region"], row["component"], row["usd_per_hour"]
        sku = hashlib.sha256(f"{kind}{region}{component}".encode()).hexdigest()[:16].upper()
        attributes = {
            "productFamily": "ML Instance",
            "regionCode": region,
            "instanceName": kind,
            "component": component,
            "operation": f"SageMaker:{component}",
        }
        dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{usd:.10f}"}, "description": f"${usd} per hour"}
        yield {
            "product": {"productFamily": "ML Instance", "sku": sku, "attributes": attributes},
            "serviceCode": "AmazonSageMaker",
            "terms": {
                "OnDemand": {f"{sku}.JRTCKXETXF": {"priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": dimension}}}
            },
        }
