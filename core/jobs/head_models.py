"""Jobs that left their head alone: whether it is there, and the whole model of it when something wants that.

All trials of a search over frozen features share one backbone, which is with the search and is a hundred times the
size of a head; that of a single training is the file of the features by a second name.
See training_scripts/artifact.py.
"""

from __future__ import annotations

from pathlib import Path

from core.child import StoodStill, run_to_end
from core.errors import ModelError
from core.jobs.contract import JobFolder
from core.locks import lock_of
from core.paths import ROOT
from core.python import script_command
from core.translation import tr
from training_scripts.artifact import HEAD_FILE, SHARED_FILE, is_head_alone, package, shared_backbone
from training_scripts.durable import is_whole, sha256_of
from training_scripts.job import JobError

ASSEMBLE = ROOT / "training_scripts" / "assemble.py"
"""The script that makes a whole model folder of a head: it needs torch."""

_WAIT_S = 120.0


def left_head_alone(folder: JobFolder) -> bool:
    """Whether a job left its head alone, whatever has become of it since."""
    return (folder.model / SHARED_FILE).is_file()


def on_disk(artifact: str) -> str:
    """Return what there is of an artifact: the archive, or the folder of the head that it can be made of."""
    folder = JobFolder(Path(artifact).parent)
    return str(folder.model) if not folder.artifact.exists() and left_head_alone(folder) else artifact


def looks_whole(folder: JobFolder) -> bool:
    """Whether a head and its backbone are there, going by their names alone."""
    try:
        return (folder.model / HEAD_FILE).is_file() and shared_backbone(folder.model)[0].is_file()
    except JobError:
        return False


def check(folder: JobFolder, known: dict[Path, str]) -> None:
    """Read a head and its backbone to their ends; `known` keeps what the backbones' files were found to hold.

    Raises:
        JobError: one of them is damaged or gone.
    """
    if not is_head_alone(folder.model):
        raise JobError(tr("The model in {model} is damaged or gone.").format(model=folder.model))
    file, sha256 = shared_backbone(folder.model)
    file = file.resolve()
    if file not in known:
        known[file] = sha256_of(file)
    if known[file] != sha256:
        raise JobError(
            tr("The backbone of the model in {model} is damaged ({file}).").format(model=folder.model, file=file)
        )


def whole_model(folder: JobFolder) -> Path:
    """Return the whole model of a head, made once, in the job's folder.

    Raises:
        JobError: the head or its backbone is damaged or gone.
    """
    target = folder.root / "artifact"
    if is_whole(target):
        return target
    command = script_command(ASSEMBLE, str(folder.model), str(target))
    try:
        done = run_to_end(command)
    except StoodStill as finding:
        raise JobError(tr("The process that makes the model whole {finding}.").format(finding=finding)) from None
    if done.returncode:
        raise JobError(done.stderr.strip().rpartition("\n")[2] or tr("The model could not be made whole."))
    return target


def write_archive(folder: JobFolder) -> Path:
    """Return a job's model.tar.gz, made of its head and backbone where it is not there yet.

    Raises:
        ModelError: it cannot be made; says why.
    """
    if not folder.artifact.is_file() and left_head_alone(folder):
        with lock_of(
            folder.root / "artifact", _WAIT_S, tr("The model of {name} cannot be packed").format(name=folder.root.name)
        ):
            try:
                package(whole_model(folder), folder.artifact)
            except (JobError, OSError) as error:
                raise ModelError(
                    tr("The model of {name} cannot be packed.").format(name=folder.root.name), f"{error}"
                ) from error
    return folder.artifact
