"""Endpoints: create, list, watch over, delete. Only they keep costing money, so none is forgotten.

What Sagehound makes is tagged, with the job it serves and the moment its life ends. Serverless is proposed first: it
costs nothing while it is not asked, and a closed laptop deletes nothing. While an endpoint is created or updated, AWS
does not let anyone change or delete it: `EndpointBusy`; `EndpointLifetimes` comes back to it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from core.cloud.hosting import SERVERLESS, SERVERLESS_MEMORY_MB, Container, EndpointBusy, Hosting
from core.engine import Endpoint
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, explain_reason, is_unanswered, translated
from core.engines.sagemaker.cost.pricing import PriceList
from core.engines.sagemaker.endpoints.containers import host_of, serving_image, variables_of
from core.engines.sagemaker.endpoints.endpoint_log import endpoint_log_url
from core.engines.sagemaker.endpoints.hosting_request import Update, encryption_of, network_of, variant_of
from core.engines.sagemaker.jobs.creation import MARK, unknown_outcome
from core.engines.sagemaker.jobs.definition import TAG
from core.errors import EngineError
from core.jobs.specs import check_job_name
from core.translation import tr

MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
"""While it is so, AWS changes and deletes no endpoint."""

_EXPIRES, _JOB, _CONTAINER = f"{TAG}:expires", f"{TAG}:job", f"{TAG}:container"
_PAGE = 100
_logger = logging.getLogger(__name__)

Tags = Sequence[Mapping[str, str]]


class Endpoints:
    """The endpoints of one account and region."""

    def __init__(self, aws: Aws, prices: PriceList) -> None:
        self.aws, self._prices = aws, prices

    def create(self, name: str, job: str, model_uri: str, role_arn: str, hosting: Hosting) -> None:
        """Create model, configuration and endpoint `name`, and return; it is InService minutes later.

        Raises:
            OutcomeUnknown: no answer came; the endpoint may be there.
            EngineError: AWS refused; nothing is left behind.
            SpecError: the name is none.
        """
        check_job_name(name, 63)
        mark = secrets.token_hex(8)
        tags, made = [*self._tags(job, hosting), {"Key": MARK, "Value": mark}], list[str]()
        with translated(tr("The endpoint {name} could not be created.").format(name=name), self.aws.profile):
            try:
                self._make_parts(name, model_uri, role_arn, hosting, tags, made)
            except BaseException:
                self._undo(name, made)
                raise
            try:
                self.aws.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
            except Exception as error:
                # A request whose answer was lost is sent again by boto3: then the endpoint that is there is this one.
                if not self._is_there(name, mark, error):
                    self._undo(name, made)
                    raise

    def _is_there(self, name: str, mark: str, error: Exception) -> bool:
        """Whether AWS has created this very endpoint though it answered its creation with an error, or not at all."""
        if not (is_unanswered(error) or "already existing" in str(error)):
            return False
        client = self.aws.sagemaker
        try:
            arn = client.describe_endpoint(EndpointName=name)["EndpointArn"]
            tags = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}
        except Exception as silence:
            if not is_unanswered(silence):
                return False
            raise unknown_outcome(tr("the endpoint {name}").format(name=name), error, self.aws.profile) from silence
        return tags.get(MARK) == mark

    def update(
        self,
        name: str,
        job: str,
        model_uri: str,
        role_arn: str,
        hosting: Hosting,
        before_it: Callable[[Update], None] = lambda _: None,
    ) -> Update:
        """Let endpoint `name` go over to another job's model, and return; it answers from the old one meanwhile.

        `before_it` hears of the update just before AWS is asked for it.

        Raises:
            EndpointBusy: it is being created or updated.
            OutcomeUnknown: no answer came; `settle` finds out.
            EngineError: there is none, it is not ours, or AWS refused; nothing has changed and nothing is left behind.
        """
        with translated(tr("The endpoint {name} could not be updated.").format(name=name), self.aws.profile):
            found = self._ours(name, "updated")
            if found.status != "InService":
                kind = EndpointBusy if found.status in MOVING else EngineError
                raise kind(
                    tr("The endpoint {name} could not be updated.").format(name=name),
                    tr("Its status is {status}.").format(status=found.status),
                    tr("Try again later."),
                )
            if found.instance_type != SERVERLESS and not hosting.instance_type:
                raise EngineError(
                    tr("The endpoint {name} could not be updated.").format(name=name),
                    tr("AWS turns no endpoint on an instance into a serverless one."),
                    tr("Choose an instance type, or deploy a new endpoint."),
                )
            before = str(self.aws.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"])
            part, made = f"{name[:56]}-{secrets.token_hex(3)}", list[str]()
            tags = self._tags(job, hosting)
            update = Update(name, job, part, before, str(hosting.runs_in), hosting.expires())
            try:
                self._make_parts(part, model_uri, role_arn, hosting, tags, made)
                before_it(update)
                self.aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=part)
            except Exception as error:
                if is_unanswered(error):
                    raise unknown_outcome(
                        tr("the update of {name}").format(name=name), error, self.aws.profile
                    ) from error
                if "in-progress" not in str(error):  # else the answer to it was lost, and boto3 asked again
                    self._undo(part, made)
                    raise
        return update

    def settle(self, update: Update) -> str | None:
        """Clean up after an update: None while it is under way, "" once it serves the new model, else why it does not.

        What is no longer used, the old configuration and model or the new ones, is removed.
        """
        name, client = update.endpoint, self.aws.sagemaker
        with translated(tr("The update of {name} could not be followed.").format(name=name), self.aws.profile):
            found = self._describe(name)
            if found is None or found.status == "Deleting":
                self._remove_parts(update.before)
                self._remove_parts(update.config)
                return ""
            if found.status in MOVING:
                return None
            described = client.describe_endpoint(EndpointName=name)
            if found.status == "InService" and described["EndpointConfigName"] == update.config:
                values = {_JOB: update.job, _CONTAINER: update.container, _EXPIRES: _moment(update.expires)}
                tags = [{"Key": key, "Value": value} for key, value in values.items()]
                client.add_tags(ResourceArn=described["EndpointArn"], Tags=tags)
                self._remove_parts(update.before)
                return ""
            if found.status == "InService":
                self._remove_parts(update.config)
                why = found.failure_reason or tr("AWS gave no reason; see its log.")
                return tr("The update to {job} failed, and it continues to serve what it served before. {why}").format(
                    job=update.job, why=why
                )
        return (
            tr("The update to {job} failed, and so did going back. {failure_reason}")
            .format(job=update.job, failure_reason=found.failure_reason)
            .strip()
        )

    def hosting_of(self, name: str) -> Hosting:
        """Return how an endpoint is served now, its remaining lifetime included.

        Raises:
            EngineError: there is none, or it is not ours.
        """
        with translated(tr("The endpoint {name} could not be described.").format(name=name), self.aws.profile):
            found = self._ours(name, "updated")
            config = self.aws.sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
            described = self.aws.sagemaker.describe_endpoint_config(EndpointConfigName=config)
            variant = described["ProductionVariants"][0]
            network = self.aws.sagemaker.describe_model(ModelName=variant["ModelName"]).get("VpcConfig") or {}
        left = None if found.expires is None else max(0.0, found.expires - time.time())
        memory = variant.get("ServerlessConfig", {}).get("MemorySizeInMB", SERVERLESS_MEMORY_MB)
        container = Container(found.container) if found.container in list(Container) else Container.PYTORCH
        return Hosting(
            variant.get("InstanceType", ""),
            memory,
            left,
            container,
            tuple(network.get("Subnets", ())),
            tuple(network.get("SecurityGroupIds", ())),
            str(described.get("KmsKeyId", "")),
        )

    def all(self) -> list[Endpoint]:
        """Return all endpoints of the region, ours first, then the newest first; others are marked as not ours."""
        client, found = self.aws.sagemaker, []
        more: dict[str, str] = {}
        with translated(tr("The endpoints could not be listed."), self.aws.profile):
            while True:
                answer = client.list_endpoints(MaxResults=_PAGE, **more)
                found += [self._describe(item["EndpointName"]) for item in answer["Endpoints"]]
                if not answer.get("NextToken"):
                    break
                more = {"NextToken": answer["NextToken"]}
        return sorted(
            (endpoint for endpoint in found if endpoint is not None),
            key=lambda endpoint: (not endpoint.ours, -endpoint.created),
        )

    def get(self, name: str) -> Endpoint | None:
        """Return one endpoint; None if there is none of that name."""
        with translated(tr("The endpoint {name} could not be described.").format(name=name), self.aws.profile):
            return self._describe(name)

    def delete(self, name: str, others_too: bool = False) -> None:
        """Delete an endpoint with its configuration and its model; what is gone already is not an error.

        Raises:
            EndpointBusy: it is being created or updated.
            EngineError: there is none, it is not one of Sagehound's, or AWS refused.
        """
        client = self.aws.sagemaker
        with translated(tr("The endpoint {name} could not be deleted.").format(name=name), self.aws.profile):
            found = self._ours(name, "deleted", others_too)
            config = client.describe_endpoint(EndpointName=name)["EndpointConfigName"]
            try:
                client.delete_endpoint(EndpointName=name)  # first: it alone costs money
            except Exception as error:
                if "in-progress" in str(error) or code_of(error) == "ResourceInUse":
                    raise EndpointBusy(
                        tr("The endpoint {name} is still being {which}.").format(
                            name=name, which="created" if found.status == "Creating" else "updated"
                        ),
                        tr("AWS deletes no endpoint meanwhile."),
                        tr("Sagehound deletes it as soon as AWS lets it, while this computer runs."),
                    ) from error
                raise
            if found.ours:
                self._remove_parts(config)

    def delete_expired(self, now: float | None = None) -> list[str]:
        """Delete our endpoints whose life is over; returns their names."""
        moment = time.time() if now is None else now
        gone = []
        for endpoint in self.all():
            over = endpoint.ours and endpoint.expires is not None and endpoint.expires <= moment
            if over and endpoint.status != "Deleting":
                with suppress(EndpointBusy):  # the next time
                    self.delete(endpoint.name)
                    gone.append(endpoint.name)
        return gone

    def _describe(self, name: str) -> Endpoint | None:
        client = self.aws.sagemaker
        try:
            found = client.describe_endpoint(EndpointName=name)
        except client.exceptions.ClientError as error:
            if "Could not find" in str(error) or code_of(error) in ("ResourceNotFound", "ValidationException"):
                return None
            raise
        tags = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=found["EndpointArn"])["Tags"]}
        instance, count = self._instance(found["EndpointConfigName"])
        price = self._prices.price(instance, "Hosting").usd_per_hour if instance else None
        return Endpoint(
            name=name,
            status=str(found["EndpointStatus"]),
            created=found["CreationTime"].timestamp(),
            model_job=tags.get(_JOB, ""),
            instance_type=instance or SERVERLESS,
            hourly_usd=None if price is None else price * count,
            expires=_number(tags.get(_EXPIRES)),
            ours=tags.get(TAG) == "endpoint",
            failure_reason=explain_reason(str(found.get("FailureReason", ""))),
            container=tags.get(_CONTAINER, ""),
            log_url=endpoint_log_url(self.aws.region, name),
        )

    def _instance(self, config: str) -> tuple[str, int]:
        """Return instance type and count of a configuration; "" for serverless."""
        try:
            described = self.aws.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        except self.aws.sagemaker.exceptions.ClientError:
            return "unknown", 1  # the configuration was deleted under the endpoint
        variant: Mapping[str, Any] = described["ProductionVariants"][0]
        return str(variant.get("InstanceType", "")), int(variant.get("InitialInstanceCount", 1))

    def _ours(self, name: str, done: str, others_too: bool = False) -> Endpoint:
        found = self._describe(name)
        if found is None:
            raise EngineError(
                tr("There is no endpoint called {name}.").format(name=name),
                fix=tr("List them with `sagehound endpoints`."),
            )
        if not found.ours and not others_too:
            force = (
                tr("Say --force if it is to go nevertheless.") if done == "deleted" else tr("Deploy a new endpoint.")
            )
            raise EngineError(
                tr("The endpoint {name} was not made by Sagehound.").format(name=name),
                tr("Someone else may need it, so it was not {done}.").format(done=done),
                force,
            )
        return found

    def _make_parts(
        self, part: str, model_uri: str, role_arn: str, hosting: Hosting, tags: Tags, made: list[str]
    ) -> None:
        """Create a model and a configuration, both called `part`; what is there is added to `made`."""
        client = self.aws.sagemaker
        container = self._container(model_uri, hosting)
        client.create_model(
            ModelName=part, ExecutionRoleArn=role_arn, PrimaryContainer=container, Tags=tags, **network_of(hosting)
        )
        made.append("model")
        variant = variant_of(hosting, part) | host_of(hosting.runs_in, container["Image"])
        client.create_endpoint_config(
            EndpointConfigName=part, ProductionVariants=[variant], Tags=tags, **encryption_of(hosting)
        )
        made.append("configuration")

    def _remove_parts(self, config: str) -> None:
        """Delete a configuration and its models; they cost nothing, but no one should have to tidy up."""
        client, models = self.aws.sagemaker, []
        with suppress(client.exceptions.ClientError):
            variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
            models = [variant["ModelName"] for variant in variants]
        _gone(client.delete_endpoint_config, EndpointConfigName=config)
        for model in models:
            _gone(client.delete_model, ModelName=model)

    def _container(self, model_uri: str, hosting: Hosting) -> dict[str, Any]:
        region = self.aws.region
        image = serving_image(hosting.runs_in, region, hosting.instance_type)
        return {
            "Image": image,
            "ModelDataUrl": model_uri,
            "Environment": variables_of(hosting, region, image),
        }

    def _tags(self, job: str, hosting: Hosting) -> Tags:
        values = {TAG: "endpoint", _JOB: job, _CONTAINER: str(hosting.runs_in)}
        if hosting.lifetime_s is not None:
            values[_EXPIRES] = _moment(hosting.expires())
        return [{"Key": key, "Value": value} for key, value in values.items()]

    def _undo(self, name: str, made: Sequence[str]) -> None:
        client = self.aws.sagemaker
        for kind in reversed(made):
            try:
                if kind == "model":
                    client.delete_model(ModelName=name)
                else:
                    client.delete_endpoint_config(EndpointConfigName=name)
            except Exception:
                _logger.warning("the %s of %s was left behind; it costs nothing", kind, name, exc_info=True)


def _moment(expires: float | None) -> str:
    """Return it as it stands in a tag; "" for never."""
    return "" if expires is None else str(round(expires))


def _gone(method: Any, **arguments: str) -> None:
    """Delete something that may be gone already."""
    try:
        method(**arguments)
    except Exception as error:
        if code_of(error) not in ("ResourceNotFound", "ValidationException"):
            raise


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
