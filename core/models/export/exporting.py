"""Export a model: written, compared with what Sagehound itself answers, and only then put where it was asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.child import StoodStill, run_to_end
from core.errors import ModelError, UserFacingError
from core.models.export.formats import TOLERANCE, ExportFormat
from core.models.export.model_card import Agreement, ModelFacts, model_card
from core.models.export.script import SCRIPT_FILE, write_script
from core.models.info import EXPORTED
from core.models.local import LocalModel
from core.paths import give_away, make_outside
from core.predict.records import Prediction
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.python import child_environment, script_command
from core.translation import tr
from training_scripts.artifact import CARD_FILE
from training_scripts.durable import flush, is_no_room, write_text

COMPARED = 100
"""How many pictures the answers are compared on, at most."""
_WRITERS = Path(__file__).resolve().parent / "writers.py"
_STRANGENESS = "\0distance"  # beside the classes, whose names are the user's
_LONGEST_S = 1800.0


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: a file or a folder, and how its answers compare."""

    path: Path
    format: str
    agreement: Agreement


def export(
    model: LocalModel,
    format_: ExportFormat,
    output: Path,
    pictures: Sequence[Path],
    facts: ModelFacts,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Write a model in a format: its file alone where `output` ends as such files do, else a folder.

    The folder holds the model, classify.py, which asks it with the format's own library alone, the code that reads
    pictures as training did, model.json and README.md, the model card. A folder must be new or empty; a file is
    replaced. Answers are compared on up to `COMPARED` of `pictures` by running classify.py.

    Raises:
        ModelError: a package is missing, the model cannot be written so, or the answers differ; nothing is written.
        UserFacingError: `output` cannot be written.
        Cancelled: through `cancel`; nothing is written.
    """
    cancel = cancel or CancelToken()
    format_.check_installed()
    output = output.expanduser().absolute()
    alone = output.suffix == format_.suffix
    if not alone:
        _check_free(output, format_)
    try:
        make_outside(output.parent)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as place:
            folder = Path(place) / "model"
            folder.mkdir()
            agreement = _write_folder(model, format_, folder, pictures, facts, on_progress, cancel, tolerance)
            cancel.raise_if_cancelled()
            _put(folder, format_, output, alone)
    except OSError as error:
        why = tr("The disk is full") if is_no_room(error) else error.strerror or str(error)
        raise UserFacingError(
            tr("{output} could not be written.").format(output=output), f"{why}.", tr("Choose another place.")
        ) from error
    return Exported(output, format_.name, agreement)


def _check_free(output: Path, format_: ExportFormat) -> None:
    if output.is_dir() and not any(output.iterdir()):
        return
    if output.exists():
        raise UserFacingError(
            tr("{output} is there already.").format(output=output),
            tr("A model is written to a new folder, or to a file that ends in {suffix}.").format(suffix=format_.suffix),
            tr("Choose another name."),
        )


def _write_folder(
    model: LocalModel,
    format_: ExportFormat,
    folder: Path,
    pictures: Sequence[Path],
    facts: ModelFacts,
    on_progress: OnProgress,
    cancel: CancelToken,
    tolerance: float,
) -> Agreement:
    info = model.info
    assert info is not None  # a folder's model is known
    card = {**info.card, "name": info.name, EXPORTED: {"format": format_.name, "file": format_.file}}
    if info.threshold is not None:
        card["unknown"] = info.threshold.in_card(info.card)
    text = json.dumps(card, ensure_ascii=False, indent=1)
    metadata = {
        CARD_FILE: text,
        "classes": json.dumps(list(info.classes), ensure_ascii=False),
        "description": tr("Image classifier of {classes} classes, trained with Sagehound.").format(
            classes=len(info.classes)
        ),
    }
    on_progress(Progress(0, None, f"Writing {format_.title}"))
    asked = {"model": str(model.folder), "format": format_.name, "file": str(folder / format_.file)}
    said = _run([*script_command(_WRITERS), json.dumps({**asked, "metadata": metadata})], cancel)
    if error := _error_in(said):
        raise ModelError(
            tr("The model cannot be written as {title}.").format(title=format_.title),
            f"{error}.",
            tr("Choose another format."),
        )
    write_text(folder / CARD_FILE, text)
    write_script(folder, format_, info.preprocessing)
    on_progress(Progress(0, None, tr("Comparing its answers")))
    agreement = compare(model, format_, folder, pictures, cancel)
    if agreement.largest is not None and not agreement.largest <= tolerance:
        raise ModelError(
            tr("The model was not written as {title}.").format(title=format_.title),
            tr("Its answers would differ from Sagehound's own by up to {largest:.2g}.").format(
                largest=agreement.largest
            ),
            tr("Choose another format."),
        )
    write_text(folder / "README.md", model_card(info, facts, format_, agreement))
    return agreement


def compare(
    model: LocalModel, format_: ExportFormat, folder: Path, pictures: Sequence[Path], cancel: CancelToken
) -> Agreement:
    """Return how the answers of an exported folder's classify.py compare with the model's own."""
    if format_.runs_on and sys.platform not in format_.runs_on:
        return Agreement(
            0,
            None,
            tr("{title} answers on {runs_on} only.").format(title=format_.title, runs_on=", ".join(format_.runs_on)),
        )
    answers = model.classify(pictures[:COMPARED], None, cancel=cancel)
    expected = {str(answer.source): _figures(answer) for answer in answers if isinstance(answer, Prediction)}
    if not expected:
        return Agreement(0, None, tr("There was no picture to compare on."))
    said = _run(script_command(folder / SCRIPT_FILE, *expected), cancel)
    found: dict[str, Mapping[str, float]] = {}
    for line in said.stdout.splitlines():
        answer = json.loads(line)
        found[answer["picture"]] = {**answer["classes"], _STRANGENESS: answer.get("strangeness", 0.0)}
    if said.returncode or found.keys() != expected.keys():
        last = (
            said.stderr.strip().splitlines()
            or [tr("it ended with status {returncode}").format(returncode=said.returncode)]
        )[-1]
        if said.returncode and "No module named" in last:
            return Agreement(
                0, None, tr("{runs_with} is not installed here.").format(runs_with=" and ".join(format_.runs_with))
            )
        raise ModelError(
            tr("The model written as {title} does not answer.").format(title=format_.title), f"{last[:300]}."
        )
    differences = [
        abs(found[picture].get(label, 0.0) - probability)
        for picture, classes in expected.items()
        for label, probability in classes.items()
    ]
    return Agreement(len(expected), max(differences))


def _figures(answer: Prediction) -> dict[str, float]:
    return {**dict(answer.classes), _STRANGENESS: answer.strangeness or 0.0}


def _put(folder: Path, format_: ExportFormat, output: Path, alone: bool) -> None:
    """Move what was written to its place, on the disk before it has its name."""
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    flush(path for path in folder.rglob("*") if path.is_file())
    if not alone:
        if output.is_dir():
            output.rmdir()  # it is empty
        os.replace(folder, output)
        give_away(output)
        return
    for name in reversed(format_.files):  # the file that was asked for last, since it stands for the whole
        target = output.with_suffix(Path(name).suffix)
        if target.is_dir():  # Core ML's packages are folders
            shutil.rmtree(target)
        os.replace(folder / name, target)
        give_away(target)


def _run(command: Sequence[str], cancel: CancelToken) -> subprocess.CompletedProcess[str]:
    """Run a process of an export to its end; a cancel ends it."""
    # One picture at a time gains little by threads, and they wait for one another on a busy machine.
    plain = {"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    try:
        return run_to_end(command, {**child_environment(), **plain}, cancel, longest_s=_LONGEST_S)
    except StoodStill as finding:
        raise ModelError(
            tr("The model cannot be exported."), tr("The process that does it {finding}.").format(finding=finding)
        ) from None


def _error_in(said: subprocess.CompletedProcess[str]) -> str:
    """Return why a writer failed, "" where it did not."""
    lines = said.stdout.strip().splitlines()
    try:
        error = str(json.loads(lines[-1]).get("error", "")) if lines else ""
    except (ValueError, AttributeError):
        error = ""
    if said.returncode == 0:
        return error
    return (
        error
        or (
            said.stderr.strip().splitlines()
            or [tr("the process ended with status {returncode}").format(returncode=said.returncode)]
        )[-1][:300]
    )
