"""A run's metrics at an MLflow server, over its REST interface (2.0): no package of MLflow's is needed.

Who asks is said as MLflow's own clients say it: by MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD.
"""

from __future__ import annotations

import base64
import json
import math
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import UserFacingError
from core.report.reported_run import ReadRun
from core.report.runs_export import EXPERIMENT, metric_name, milliseconds, run_number, values_of
from core.translation import tr

_TAG = "sagehound.run"
_METRICS, _PARAMETERS = 1000, 100
"""So many does a server take in one request."""
_LONGEST = 6000
"""So many characters does it take as the value of a parameter."""
_PATIENCE_S = 60.0


def address_of(destination: Path) -> str:
    """Return the address that a Path stands for, which has one of its two slashes left."""
    scheme, _, rest = destination.as_posix().partition(":")
    return f"{scheme}://{rest.lstrip('/')}".rstrip("/")


def log_to_server(runs: Sequence[ReadRun], destination: Path) -> None:
    """Log each run with its parameters and metrics; a run of ours that is there already is replaced.

    Raises:
        UserFacingError: the server cannot be reached, or refuses.
    """
    server = _Server(address_of(destination))
    experiment = server.experiment(EXPERIMENT)
    for run in runs:
        start = run.analysis.times.start or 0.0
        number = run_number(run)
        before = server.ask("runs/search", experiment_ids=[experiment], filter=f"tags.\"{_TAG}\" = '{number}'")
        tags = {_TAG: number, "dataset": run.story.dataset}
        made = server.ask(
            "runs/create",
            experiment_id=experiment,
            run_name=run.name,
            start_time=milliseconds(start),
            tags=[{"key": key, "value": value} for key, value in tags.items() if value],
        )["run"]["info"]["run_id"]
        parameters = [
            {"key": metric_name(name), "value": setting[:_LONGEST]}
            for name, setting in run.story.hyperparameters.items()
        ]
        metrics = [
            {"key": metric_name(metric), "value": _number(value), "timestamp": milliseconds(when), "step": epoch or 0}
            for metric, epoch, when, value in values_of(run)
        ]
        for first in range(0, len(parameters), _PARAMETERS):
            server.ask("runs/log-batch", run_id=made, params=parameters[first : first + _PARAMETERS])
        for first in range(0, len(metrics), _METRICS):
            server.ask("runs/log-batch", run_id=made, metrics=metrics[first : first + _METRICS])
        end = milliseconds(start + (run.analysis.times.loop or 0.0))
        server.ask("runs/update", run_id=made, status="FINISHED", end_time=end)
        for old in before.get("runs", ()):  # only now: what was there stays until the new one is whole
            server.ask("runs/delete", run_id=old["info"]["run_id"])


def _number(value: float) -> float | str:
    """Return a number as protobuf's JSON has it, which knows what is no number by name."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


class _Server:
    def __init__(self, address: str) -> None:
        self._address = address

    def experiment(self, name: str) -> str:
        """Return the number of an experiment, made where it is not there."""
        try:
            found = self.ask(f"experiments/get-by-name?experiment_name={urllib.parse.quote(name)}")
        except _Missing:
            return str(self.ask("experiments/create", name=name)["experiment_id"])
        return str(found["experiment"]["experiment_id"])

    def ask(self, call: str, **content: object) -> Mapping[str, Any]:
        """Return the answer to a call: POST with content, GET without.

        Raises:
            _Missing: what is asked for is not there.
            UserFacingError: the server cannot be reached, or refuses.
        """
        request = urllib.request.Request(
            f"{self._address}/api/2.0/mlflow/{call}",
            json.dumps(content).encode() if content else None,
            {"Content-Type": "application/json", **_credentials()},
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
                found: Mapping[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            if error.code == 404 and "RESOURCE_DOES_NOT_EXIST" in said:
                raise _Missing from None
            raise UserFacingError(
                tr("The MLflow server {address} refused.").format(address=self._address),
                _reason(error, said),
                tr("Check the address, and MLFLOW_TRACKING_TOKEN or _USERNAME and _PASSWORD where it asks for them."),
            ) from error
        except (OSError, ValueError) as error:
            why = f"{getattr(error, 'reason', None) or error}".rstrip(".") + "."
            raise UserFacingError(
                tr("The MLflow server {address} does not answer.").format(address=self._address),
                why,
                tr("Check the address, and that the server runs."),
            ) from error


class _Missing(Exception):
    """What is asked for is not on the server."""


def _reason(error: urllib.error.HTTPError, said: str) -> str:
    try:
        text = str(json.loads(said)["message"])
    except (ValueError, LookupError, TypeError):
        text = f"{error.code} {error.reason}"
    return tr("It says: {text}.").format(text=text[:400].rstrip("."))


def _credentials() -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {}
