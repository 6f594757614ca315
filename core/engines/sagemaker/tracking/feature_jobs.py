"""What becomes of the jobs that compute frozen features before the job that needs them."""

from __future__ import annotations

import logging
from pathlib import Path

from core.engines.sagemaker.cost.running_cost import features_seconds
from core.engines.sagemaker.jobs.job_creator import JobCreator
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.many_machines import Joined, changed_text, lacking_text
from core.errors import UserFacingError
from core.store import Store
from core.translation import plural, tr

_logger = logging.getLogger(__name__)
_LOST = "InternalServerError"
"""How AWS begins to say that the fault was its own, as where a machine went away."""


def features_of(creator: JobCreator, store: Store, folder: Path, notes: CloudJobState) -> tuple[str, str]:
    """Return where the features of a finished job are, and why there are none; both are "" while one more job computes
    what several machines left out, or where it was asked to stop meanwhile.

    Raises:
        UserFacingError: S3 or AWS refused.
    """
    found = _found(creator, store, folder, notes)
    if isinstance(found, str):
        return found, "" if found else tr("The job that computed the frozen features left none in S3.")
    name, joined, is_last = folder.name, found, notes.features_job != notes.features_first
    spec = store.spec(name)
    if joined.uri:
        if joined.changed:
            store.add_notice(name, changed_text(joined.changed))
        return joined.uri, ""
    if is_last:
        return "", lacking_text(joined)
    prepared = creator.prepare_parts(spec, notes.features_key, notes.mark, notes.features_first, joined.lacking)
    if CloudJobState.load(folder).stopping:
        return "", ""  # joining the lists of a million pictures takes minutes
    creator.create(prepared, spec)
    store.add_notice(
        name,
        plural(
            "A machine left {count:,} picture without features; one more job computes it.",
            "Machines left {count:,} pictures without features; one more job computes them.",
            len(joined.lacking),
        ),
    )
    before = round(features_seconds(notes))
    CloudJobState.change(
        folder,
        features_job=prepared.name,
        features_machines=prepared.request["ResourceConfig"]["InstanceCount"],
        features_before_seconds=before,
        features_before_training_seconds=max(before, notes.features_training_seconds * notes.features_machines),
        features_started=0.0,
        features_training_seconds=0,
        features_billable_seconds=0,
    )
    return "", ""


def keep_features(creator: JobCreator, store: Store, folder: Path, notes: CloudJobState) -> None:
    """Let later jobs have the features of a job that was stopped: they are paid for. Nothing more is created."""
    try:
        _found(creator, store, folder, notes)
    except UserFacingError as error:
        _logger.warning("the features of %s could not be kept: %s", folder.name, error)


def _found(creator: JobCreator, store: Store, folder: Path, notes: CloudJobState) -> str | Joined:
    """Return where the features of one machine are, "" if nowhere, or what can be made of those of several."""
    if not notes.features_first:
        return creator.complete_features(notes.features_key, notes.features_job)
    is_last = notes.features_job != notes.features_first
    return creator.join_parts(store.spec(folder.name), notes.features_key, notes.features_first, is_last)


def may_go_on(creator: JobCreator, notes: CloudJobState, reason: str) -> bool:
    """Whether a failed job of several machines is worth one more: a machine was lost, or some rows are kept."""
    if not notes.features_first or notes.features_job != notes.features_first:
        return False
    return reason.startswith(_LOST) or creator.parts.has_begun(notes.features_key, notes.features_job)
