"""How a job of SageMaker's begins and is stopped: what AWS gets is in the store before."""

from __future__ import annotations

import dataclasses
import logging
import re
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from core.engines.local.recovery import write_record
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, translated
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.jobs.creation import OutcomeUnknown, compare
from core.engines.sagemaker.jobs.definition import no_shared_features
from core.engines.sagemaker.jobs.job_creator import JobCreator
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.validation import cloud_of, record_of
from core.errors import EngineError
from core.jobs.contract import JobFolder
from core.jobs.specs import Spec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import JobChanges, Store
from core.translation import tr
from core.tuning.search_order import search_order

_logger = logging.getLogger(__name__)

_HAS_ENDED = re.compile(r"\bin (?:a final |the )?status\b|final status", re.IGNORECASE)
"""What AWS says of a job that is to be stopped and has ended: "... because the training job is in status Completed"."""


def launch(spec: Spec, aws: Aws, workspace: Workspace, store: Store, paths: AppPaths, creator: JobCreator) -> None:
    """Create a job, or the one that computes its features first.

    Raises:
        UserFacingError: AWS refused; there is no job then, here neither.
        OutcomeUnknown: no answer came. The record stays: it is looked for, and followed if it is there.
    """
    state = CloudJobState(
        region=aws.region,
        account=aws.account,
        workspace=dataclasses.asdict(workspace),
        mark=secrets.token_hex(8),
        answered=False,
        checkpoints=creator.checkpoints(spec.name),
        cap_usd=cloud_of(spec).cap_usd,
    )
    key, record = creator.features_key(spec), record_of(spec)
    features = creator.features_at(key) if key else ""
    many = cloud_of(spec).feature_machines > 1
    if many and not key:
        raise no_shared_features()
    first = ""
    lacking: Collection[str] | None = None
    if many and not features and (once := creator.features_once_at(key)):
        # They were whole: what is still there is not computed again.
        first = once.rpartition("/")[2]
        joined = creator.join_parts(spec, key, first)
        features, lacking = joined.uri, joined.lacking
        first = first if joined.whole else ""
    if many and not features:
        prepared = creator.prepare_parts(spec, key, state.mark, first, lacking if first else None)
        resources = prepared.request["ResourceConfig"]
        state = dataclasses.replace(
            state,
            features_key=key,
            features_job=prepared.name,
            features_first=first or prepared.name,
            features_machines=resources["InstanceCount"],
            features_type=resources["InstanceType"],
            packed=isinstance(spec, TuningSpec) and spec.packed,
        )
        record = dataclasses.replace(record, secondary_status="PreparingFeatures")
    elif isinstance(spec, TuningSpec) and spec.packed:
        order = search_order(spec, store)
        prepared = creator.prepare_packed(spec, order, features, state.mark)
        state = dataclasses.replace(state, packed=True)
    elif key and not features:
        prepared = creator.prepare_features(spec, key, state.mark)
        kind = prepared.request["ResourceConfig"]["InstanceType"]
        state = dataclasses.replace(state, features_key=key, features_job=prepared.name, features_type=kind)
        record = dataclasses.replace(record, secondary_status="PreparingFeatures")
    else:
        prepared = creator.prepare(spec, features, state.mark)
    folder = paths.jobs / spec.name
    store.add_job(record, spec)
    try:
        state.save(folder)
        write_record(store, JobFolder(folder), spec.name)
        creator.create(prepared, spec)
    except OutcomeUnknown:
        raise
    except Exception:  # there is no job; an interruption from outside leaves the record, for there may be one
        store.delete_job(spec.name)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _note(folder, answered=True, launched=not state.features_job)
    about = f"{prepared.name}: " if state.features_job else ""
    if found := compare(aws, prepared):
        _note(folder, differences=[f"{about}{sentence}" for sentence in found])


def stop(name: str, aws: Aws, store: Store, paths: AppPaths, reason: str = "") -> bool:
    """Ask SageMaker to stop a job, a tuning job with its trials, or one trial; return whether it still ran.

    `reason` is a sentence that the record gets, "" where the user asked for it.

    Raises:
        EngineError: it is a trial of a search that is one job.
        UserFacingError: AWS refused.
    """
    job = store.job(name)
    if job.status.is_final:
        return False
    folder = paths.jobs / name
    state, client = CloudJobState.load(folder), aws.sagemaker
    if state.packed and job.kind != "tuning":
        parent = store.parent(name)
        raise EngineError(
            tr("{name} cannot be stopped by itself.").format(name=name),
            tr("It runs in one job with the other trials of {parent}.").format(parent=parent),
            tr("Stop {parent}; trials that have ended stay.").format(parent=parent),
        )
    with translated(tr("{name} could not be stopped.").format(name=name), aws.profile):
        try:
            if state.features_job and not state.launched:
                state = CloudJobState.change(folder, stopping=True)  # what it runs as may just have changed
            if state.features_job and not state.launched:
                client.stop_training_job(TrainingJobName=state.features_job)
            elif job.kind == "tuning" and not state.packed:
                client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            else:
                client.stop_training_job(TrainingJobName=name)
        except Exception as error:
            if code_of(error) != "ValidationException" or not _HAS_ENDED.search(str(error)):
                raise  # it had ended by itself just before
    changes: JobChanges = {"status": JobStatus.STOPPING, "secondary_status": "Stopping"}
    if reason:
        changes["failure_reason"] = reason
    store.update_job(name, **changes)
    return True


def _note(folder: Path, **changes: Any) -> None:
    """Keep what is known of a job that AWS has; that the disk is full is not a reason to call it failed."""
    try:
        CloudJobState.change(folder, **changes)
    except (OSError, EngineError) as error:
        _logger.warning("what is known of %s could not be kept: %s", folder.name, error)
