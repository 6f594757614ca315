"""`sagehound demo`: the main job on the sample dataset, without a display."""

from __future__ import annotations

import argparse
import time

from core.cli.console import Console
from core.cli.launch import start_and_wait
from core.cli.main import build_parser
from core.cli.predict import answer_json, classify_pictures, evaluation_json, evaluation_text
from core.durations import duration
from core.errors import EngineError
from core.paths import AppPaths
from core.predict.records import Prediction
from core.progress import CancelToken
from core.translation import tr
from core.workbench import Workbench


def demo(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Tune on the sample dataset, evaluate the best trial on test, classify one of its test pictures."""
    from core.cli.data import open_dataset
    from core.cli.launch_options import tuning_spec

    began = time.monotonic()
    tune_options = build_parser().parse_args(["tune", "sample", "--preset", "quick-look"])
    workbench = Workbench(paths)
    try:
        console.note(tr("1/3  Tuning a head on EfficientNet-Lite0's features of the sample dataset ..."))
        _, manifest = open_dataset(workbench, tune_options, console)
        spec = tuning_spec(tune_options)
        quiet = Console(as_json=False, out=console.side)
        if status := start_and_wait(workbench, spec, manifest, quiet):
            return status
        console.note("")
        console.note(tr("2/3  Evaluating the best trial on the test split ..."))
        evaluation = workbench.evaluations.of_job(spec.name, "test", console.progress, CancelToken())
        console.note(evaluation_text(evaluation))
        console.note("")
        console.note(tr("3/3  Classifying one picture of the test split ..."))
        picture = next(entry for entry in manifest.pictures if entry.split == "test")
        found = classify_pictures(workbench, [str(manifest.root / picture.path)], spec.name, 3, console)
    finally:
        workbench.close()
    answer = found.answers[0]
    if not isinstance(answer, Prediction):
        raise EngineError(tr("The demo's picture could not be classified."), str(answer.error))
    seconds = time.monotonic() - began
    truth = manifest.classes[picture.label]
    data = {
        "job": spec.name,
        "evaluation": evaluation_json(evaluation),
        "prediction": answer_json(answer, found.model) | {"truth": truth},
        "seconds": round(seconds, 1),
    }
    console.result(
        data,
        tr(
            "{path} is a {truth}; the model says {label} ({probability:.1%}).\nThe demo took "
            "{seconds}. Its jobs are in the window too: sagehound"
        ).format(
            path=picture.path,
            truth=truth,
            label=answer.label,
            probability=answer.probability,
            seconds=duration(seconds),
        ),
    )
    return 0
