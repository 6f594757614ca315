"""Models that come as files: an archive (model.tar.gz), or the folder that one unpacks to."""

from __future__ import annotations

from pathlib import Path

from core.errors import ModelError
from core.jobs.contract import JobFolder
from core.jobs.heads import left_head_alone, whole_model, write_archive
from training_scripts.artifact import CARD_FILE, unpack
from training_scripts.durable import is_no_room, is_whole, sha256_of
from training_scripts.job import JobError


def unpacked(path: Path, kept: Path) -> Path:
    """Return the folder of a model: `path` itself, or what it unpacks to below `kept`, once.

    Raises:
        ModelError: it is neither a model's folder nor an archive of one.
    """
    job = JobFolder(path.parent)
    if not path.exists() and path == job.artifact:
        write_archive(job)
    if path.is_dir():
        if path == job.model and left_head_alone(job):
            write_archive(job)
            return whole_model(job)
        if (path / CARD_FILE).is_file():
            return path
        raise ModelError(
            f"There is no model in {path}.", f"It holds no {CARD_FILE}.", "Name a model.tar.gz, or what one unpacks to."
        )
    try:
        folder = kept / sha256_of(path)[:20]
        if not is_whole(folder):
            unpack(path, folder)
    except JobError as error:
        raise ModelError(f"{path.name} is no model.", str(error), "Name a model.tar.gz of Sagehound.") from error
    except OSError as error:
        why = "The disk is full" if is_no_room(error) else error.strerror or str(error)
        raise ModelError(f"{path.name} cannot be unpacked.", f"{why}.", "Make room, then try again.") from error
    if not (folder / CARD_FILE).is_file():
        raise ModelError(f"{path.name} holds no model.", f"There is no {CARD_FILE} in it.")
    return folder
