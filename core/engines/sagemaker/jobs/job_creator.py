"""Bring a job about: put scripts, weights and features where it finds them, and create it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import cast

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.bucket_layout import split_uri
from core.engines.sagemaker.connection.bucket_objects import BucketObjects
from core.engines.sagemaker.connection.connect import role_arn
from core.engines.sagemaker.connection.eligibility import Eligibility
from core.engines.sagemaker.connection.failures import translated
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.jobs.creation import Prepared, create
from core.engines.sagemaker.jobs.definition import (
    CODE_ARCHIVE,
    RequestContext,
    packed_request,
    training_request,
    tuning_request,
)
from core.engines.sagemaker.jobs.images import training_image
from core.engines.sagemaker.jobs.many_machines import (
    SPLITS,
    FeatureParts,
    Joined,
    machines_for,
    pictures_in,
    spread,
    volume_for_features,
)
from core.engines.sagemaker.jobs.training_source import Source, training_source
from core.engines.sagemaker.jobs.validation import cloud_of
from core.errors import WeightsUnavailable
from core.jobs.managed_rules import managed_of, without_managed
from core.jobs.ranges import CategoricalRange
from core.jobs.spec_parts import has_own_disk
from core.jobs.specs import LONGEST_NAME, CloudResources, DebuggerConfig, Spec, TrainingSpec, TuningSpec
from core.paths import AppPaths
from core.translation import tr
from core.tuning.wanted_features import DEFAULTS, FEATURE_HYPERPARAMETERS
from training_scripts.backbones import BACKBONES
from training_scripts.packed.order import CHANNEL as ORDER_CHANNEL
from training_scripts.packed.order import FILE as ORDER_FILE
from training_scripts.packed.order import SearchOrder
from training_scripts.parts import MANIFEST

_DEFAULTS = {**DEFAULTS, "seed": "0"}
_DECISIVE = (*FEATURE_HYPERPARAMETERS, "mode", "features")
_COMPLETE = "complete.json"


class JobCreator:
    """Prepares and creates jobs of one workspace. Thread-safe: it keeps nothing but what never changes."""

    def __init__(self, aws: Aws, workspace: Workspace, paths: AppPaths, source: Source | None = None) -> None:
        self._aws, self._workspace, self._paths, self._source = aws, workspace, paths, source
        self._role = ""
        self._objects = BucketObjects(aws, workspace)
        self.parts = FeatureParts(self._objects, workspace)

    def prepare(self, spec: Spec, features: str = "", mark: str = "") -> Prepared:
        """Put into S3 what a job needs and return its request.

        Args:
            features: the s3:// address of frozen features that it trains over, if there are any.
            mark: what the job is recognised by, should AWS's answer be lost.

        Raises:
            WeightsUnavailable: the pretrained weights are not on this machine.
            EngineError: S3 or IAM refused.
        """
        training = spec.training
        channels = self._channels(spec, features)
        scripts = self._scripts(training, over_pictures=not features)
        context = self._context(training, spec.name, channels, scripts, scripts.program, mark)
        if isinstance(spec, TuningSpec):
            return Prepared(tuning_request(spec, context))
        return Prepared(training_request(spec, context))

    def prepare_packed(self, spec: TuningSpec, order: SearchOrder, features: str = "", mark: str = "") -> Prepared:
        """Return the request of a search that is one job; without `features` it computes its own.

        Raises: as `prepare`.
        """
        text = order.to_json().encode("utf-8")
        folder = hashlib.sha256(text).hexdigest()[:16]
        self._objects.put_once(self._workspace.key("searches", folder, ORDER_FILE), text)
        channels = {**self._channels(spec, features), ORDER_CHANNEL: self._workspace.uri("searches", folder)}
        scripts = self._scripts(spec.training, over_pictures=not features).with_search()
        context = self._context(spec.training, spec.name, channels, scripts, scripts.search, mark)
        return Prepared(packed_request(spec, context))

    def _channels(self, spec: Spec, features: str) -> dict[str, str]:
        if features:
            return {"features": features}
        channels = dict(spec.training.channels)
        if weights := self._put_weights(spec):
            channels["weights"] = weights
        return channels

    def prepare_features(self, spec: Spec, key: str, mark: str = "") -> Prepared:
        """Return the request of the job that computes the features of a key.

        It writes to a prefix of its own: two that compute the same at once must not mix their files.

        Raises: as `prepare`.
        """
        job = _features_job(spec)
        scripts = self._scripts(job)
        context = self._context(job, job.name, self._channels(spec, ""), scripts, scripts.features, mark)
        context = dataclasses.replace(context, checkpoints=f"{self._workspace.uri('features', key, job.name)}/")
        return Prepared(training_request(job, context))

    def prepare_parts(
        self, spec: Spec, key: str, mark: str = "", first: str = "", lacking: Collection[str] | None = None
    ) -> Prepared:
        """Return the request of the job whose machines compute the features of a key, each its share.

        Args:
            first: the job beside whose parts those of this one are put; "" for a job that is the first.
            lacking: the SHA-256 of the pictures that earlier jobs left out, for one more job over them alone.

        Raises:
            SpecError: the channels do not list their pictures.
            Others: as `prepare`.
        """
        job, lists = _features_job(spec), self.parts.lists(spec.training.channels)
        cloud, listed = cloud_of(job), pictures_in(lists)
        machines = min(cloud.instance_count, listed)  # more would have nothing to do
        if job.name == first:
            job = dataclasses.replace(job, name=f"{first[: LONGEST_NAME - 2].rstrip('-')}-2")
        if lacking is not None:
            machines = machines_for(len(lacking), listed, machines)
        dim = BACKBONES[job.hyperparameters["backbone"]].dim
        volume = cloud.volume_gb or volume_for_features(listed, dim)
        job = dataclasses.replace(job, cloud=dataclasses.replace(cloud, instance_count=machines, volume_gb=volume))
        channels = {name: uri for name, uri in self._channels(spec, "").items() if name not in SPLITS or name in lists}
        channels[MANIFEST] = self.parts.put_lists(lists, lacking)
        scripts = self._scripts(job)
        context = self._context(job, job.name, channels, scripts, scripts.part, mark)
        context = dataclasses.replace(
            context, output=self.parts.parts_uri(key, first or job.name), checkpoints=self.parts.checkpoints(key)
        )
        return Prepared(spread(training_request(job, context), lists))

    def join_parts(self, spec: Spec, key: str, first: str, last: bool = False) -> Joined:
        """Make one channel of what the machines of `first` and later jobs left, if nothing lacks, and mark it as whole.

        `last`: see `FeatureParts.join`.

        Raises:
            EngineError: nothing can be made of it, or S3 refused.
        """
        joined = self.parts.join(self.parts.lists(spec.training.channels), key, first, last)
        if joined.uri:
            self._mark_whole(key, joined.uri)
        return joined

    def create(self, prepared: Prepared, spec: Spec) -> None:
        """Create a prepared job of a spec.

        Raises:
            SpecError: another job has that name.
            ManagedRefused: the account may not have AWS's Debugger, which the spec asks for.
            OutcomeUnknown: no answer came; the job may be there.
            EngineError: AWS refused.
        """
        # Whether AWS's Debugger is to be had is known after the first job that asks for it.
        wants = managed_of(spec) is not None and prepared.name == spec.name
        asking = Eligibility(self._paths).asking(self._aws.account, spec.name) if wants else nullcontext()
        with translated(tr("{name} could not be started.").format(name=prepared.name), self._aws.profile), asking:
            create(self._aws, prepared)

    def at(self, workspace: Workspace) -> JobCreator:
        """Return the launcher of another workspace in the account: jobs that wait belong where they were started."""
        return self if workspace == self._workspace else JobCreator(self._aws, workspace, self._paths, self._source)

    def features_key(self, spec: Spec) -> str:
        """Return what names the frozen features that all trials of a spec can share; "" where they cannot share any."""
        training = spec.training
        if self._source is not None and not self._source.features:
            return ""
        asked = {**_DEFAULTS, **training.hyperparameters}
        searched = {item.name for item in spec.ranges}
        if asked["mode"] != "head" or asked["features"] != "auto" or searched & set(_DECISIVE):
            return ""
        from training_scripts.backbones import Frame, channels_from
        from training_scripts.feature_store import LAYOUT

        identity = {
            "dataset": training.dataset_version,
            "channels": sorted(training.channels.values()),
            "backbone": asked["backbone"],
            "weights": f"untrained-{asked['seed']}" if asked["weights"] == "none" else self._weights_digest(spec),
            "layout": LAYOUT,
            "preprocessing": dataclasses.replace(
                BACKBONES[asked["backbone"]].preprocessing,
                views=int(asked["views"]),
                frame=cast(Frame, asked["frame"]),
                channels=channels_from(asked["channels"]),
            ).to_json()
            | {"framing": asked["preprocessing"]},
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        return f"{training.dataset_version or 'unknown'}-{asked['backbone']}-{digest}"

    def features_at(self, key: str) -> str:
        """Return where the features of a key are in S3, whole; "" where some of them are yet to be computed."""
        uri = self.features_once_at(key)
        return uri if uri and self.parts.has_matrices(split_uri(uri)[1]) else ""

    def features_once_at(self, key: str) -> str:
        """Return where the features of a key were whole once; "" where they never were."""
        try:
            return str(json.loads(self._objects.get(self._workspace.key("features", key, _COMPLETE)) or b"")["uri"])
        except (ValueError, KeyError, TypeError):
            return ""

    def complete_features(self, key: str, job: str) -> str:
        """Mark the features that a finished job computed as whole; returns their address, "" if it left none."""
        if not self._objects.exists(self._workspace.key("features", key, job, "features.json")):
            return ""
        uri = self._workspace.uri("features", key, job)
        self._mark_whole(key, uri)
        return uri

    def _mark_whole(self, key: str, uri: str) -> None:
        self._objects.put(self._workspace.key("features", key, _COMPLETE), json.dumps({"uri": uri}).encode("utf-8"))

    def checkpoints(self, name: str) -> str:
        """Return the s3:// prefix that a job's checkpoint folder is synced with."""
        return f"{self._workspace.uri('checkpoints', name)}/"

    def _context(
        self, training: TrainingSpec, name: str, channels: Mapping[str, str], scripts: Source, program: str, mark: str
    ) -> RequestContext:
        cloud = training.cloud or CloudResources()
        if not self._role:
            self._role = role_arn(self._aws, self._workspace.role)
        return RequestContext(
            role_arn=self._role,
            image=self._workspace.image or training_image(self._aws.region, cloud.instance_type),
            source=self._put_source(scripts),
            program=program,
            output=self._workspace.uri("jobs"),
            checkpoints=self.checkpoints(name),
            channels=channels,
            region=self._aws.region,
            kms_key=self._workspace.kms_key,
            aliases=self._aliases(cloud.volume_kms_key or self._workspace.kms_key, cloud.instance_type),
            mark=mark,
        )

    def _aliases(self, key: str, instance_type: str) -> dict[str, str]:
        """Return the ARN behind a key's alias: a disk takes none."""
        if "alias/" not in key or has_own_disk(instance_type):
            return {}
        with translated(tr("The key {key} could not be looked up.").format(key=key), self._aws.profile):
            return {key: str(self._aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"])}

    def _scripts(self, training: TrainingSpec, over_pictures: bool = True) -> Source:
        """Return the scripts, with what a container installs only where it is of use and can be fetched.

        AWS's image has all that they need. What is installed computes features sooner on a CPU; an image of the user's
        own may lack more.
        """
        source, cloud = self._source or training_source(), training.cloud or CloudResources()
        is_of_use = over_pictures or bool(self._workspace.image)
        return source if is_of_use and not (cloud.network_isolation or cloud.subnets) else source.offline()

    def _put_source(self, source: Source) -> str:
        parts = ("code", source.digest)
        self._objects.put_once(self._workspace.key(*parts, CODE_ARCHIVE), source.archive)
        return self._workspace.uri(*parts)

    def _put_weights(self, spec: Spec) -> str:
        """Put the pretrained weights that a job reads into S3, once; returns their channel, "" where none is read."""
        files = self._weights_files(spec)
        if not files:
            return ""
        folder = self._weights_digest(spec)
        for file in files:
            self._objects.put_once(self._workspace.key("weights", folder, file.name), file.read_bytes())
        return self._workspace.uri("weights", folder)

    def _weights_digest(self, spec: Spec) -> str:
        from training_scripts.durable import sha256_of

        digests = [sha256_of(file) for file in self._weights_files(spec)]
        return digests[0][:16] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()[:16]

    def _weights_files(self, spec: Spec) -> list[Path]:
        from core.fetch_weights import locate

        if self._source is not None and not self._source.features:
            return []  # scripts that are not Sagehound's bring what they need
        asked = {**_DEFAULTS, **spec.training.hyperparameters}
        choice, backbones = asked["weights"], [asked["backbone"]]
        if choice == "none":
            return []
        if choice != "default":
            return [Path(choice)]
        for item in spec.ranges:
            if isinstance(item, CategoricalRange) and item.name == "backbone":
                backbones = list(item.values)
        parts = {part for backbone in backbones for part in BACKBONES[backbone].parts or (backbone,)}
        files = [locate(part, self._paths) for part in sorted(parts)]
        if None in files:
            raise WeightsUnavailable(
                tr("The pretrained weights are not on this machine."),
                tr("They are sent along."),
                tr("Fetch them, and try again."),
            )
        return [file for file in files if file is not None]


def _features_job(spec: Spec) -> TrainingSpec:
    """Return the job that computes the features which all trials of a spec share."""
    training = without_managed(spec).training
    asked = {**_DEFAULTS, **training.hyperparameters}
    return dataclasses.replace(
        training,
        name=f"{spec.name}-features"[:LONGEST_NAME].rstrip("-"),
        hyperparameters={name: asked[name] for name in (*FEATURE_HYPERPARAMETERS, "seed")},
        debugger=DebuggerConfig(enabled=False, profiler=False),
        cloud=cloud_of(training).for_features,
    )
