"""Models that come as files: an archive (model.tar.gz), the folder that one unpacks to, or what was exported."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import ModelError
from core.jobs.contract import JobFolder
from core.jobs.head_models import left_head_alone, whole_model, write_archive
from core.models.export.formats import ExportFormat
from core.models.export.read_exported import card_in, format_of
from core.translation import tr
from training_scripts.artifact import CARD_FILE, unpack
from training_scripts.durable import is_no_room, is_whole, seal, sha256_of, write_text
from training_scripts.job import JobError


def unpacked(path: Path, kept: Path) -> Path:
    """Return the folder of a model: `path` itself, or what is made of it below `kept`, once.

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
            tr("There is no model in {path}.").format(path=path),
            tr("It holds no {card_file}.").format(card_file=CARD_FILE),
            tr("Name a model.tar.gz, or what one unpacks to."),
        )
    format_ = format_of(path)
    try:
        files = [path.with_suffix(Path(name).suffix) for name in format_.files] if format_ is not None else [path]
        folder = kept / "-".join(sha256_of(file)[:20] for file in files)
        if not is_whole(folder):
            if format_ is not None:
                _take_in(path, format_, folder)
            else:
                unpack(path, folder)
    except JobError as error:
        raise ModelError(
            tr("{name} is not a model.").format(name=path.name), str(error), tr("Name a model.tar.gz of Sagehound.")
        ) from error
    except OSError as error:
        what = tr("{name} cannot be unpacked.").format(name=path.name)
        if is_no_room(error):
            raise ModelError(what, tr("The disk is full."), tr("Make room, then try again.")) from error
        raise ModelError(
            what, f"{error.strerror or error}.".capitalize(), tr("Name a model.tar.gz of Sagehound.")
        ) from error
    if not (folder / CARD_FILE).is_file():
        raise ModelError(
            tr("{name} holds no model.").format(name=path.name),
            tr("There is no {card_file} in it.").format(card_file=CARD_FILE),
        )
    return folder


def _take_in(file: Path, format_: ExportFormat, folder: Path) -> None:
    """Make the folder of an exported file: a copy of it, and what it says of itself."""
    card = card_in(file, format_)
    folder.mkdir(parents=True, exist_ok=True)
    for name in format_.files:
        shutil.copyfile(file.with_suffix(Path(name).suffix), folder / name)
    write_text(folder / CARD_FILE, card)
    seal(folder, [CARD_FILE, *format_.files])
