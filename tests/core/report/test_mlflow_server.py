"""What is sent to an MLflow server, against one that keeps what MLflow's REST interface takes."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import UserFacingError
from core.report import Run, export


class Tracker(ThreadingHTTPServer):
    """Answers as MLflow 3 does, and refuses what it refuses: other users, too much at once, unknown runs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.password = ""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> Path:
        return Path(f"http://127.0.0.1:{self.server_address[1]}")

    def answer(self, call: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        match call:
            case "experiments/get-by-name":
                number = self.experiments.get(asked["experiment_name"])
                return None if number is None else {"experiment": {"experiment_id": number}}
            case "experiments/create":
                return {"experiment_id": self.experiments.setdefault(asked["name"], "7")}
            case "runs/search":
                assert asked["experiment_ids"] == ["7"]
                wanted = asked["filter"].split("'")[1]
                found = [number for number, run in self.runs.items() if wanted in run["tags"].values()]
                return {"runs": [{"info": {"run_id": number}} for number in found]} if found else {}
            case "runs/create":
                number = f"r{len(self.runs)}"
                tags = {tag["key"]: tag["value"] for tag in asked["tags"]}
                self.runs[number] = {"name": asked["run_name"], "tags": tags, "params": {}, "metrics": [], "status": ""}
                return {"run": {"info": {"run_id": number}}}
            case "runs/log-batch":
                assert len(asked.get("metrics", ())) <= 1000
                assert len(asked.get("params", ())) <= 100
                run = self.runs[asked["run_id"]]
                run["params"] |= {item["key"]: item["value"] for item in asked.get("params", ())}
                run["metrics"] += [(item["key"], item["step"], item["value"]) for item in asked.get("metrics", ())]
                return {}
            case "runs/update":
                self.runs[asked["run_id"]]["status"] = asked["status"]
                return {}
            case "runs/delete":
                del self.runs[asked["run_id"]]
                return {}
        raise AssertionError(call)


class Handler(BaseHTTPRequestHandler):
    server: Tracker

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.respond({key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.respond(json.loads(content, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")))

    def respond(self, asked: dict[str, Any]) -> None:
        if self.server.password and self.headers["Authorization"] != self.server.password:
            return self.send(401, {"message": "You are not authenticated."})
        found = self.server.answer(urlsplit(self.path).path.removeprefix("/api/2.0/mlflow/"), asked)
        missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "It is not there."}
        return self.send(200, found) if found is not None else self.send(404, missing)

    def send(self, status: int, content: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    made = Tracker()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def folder(make_job: Any, writer: Any) -> Path:
    made: Path = make_job(losses=(1.5, 0.9, float("nan"), 0.7))
    writer.trace(steps=20)
    shutil.copytree(writer.root, made / "output" / "profiler")
    return made


def test_a_run_is_sent_whole_and_once(tracker: Tracker, folder: Path) -> None:
    for _ in range(2):  # the second time the experiment is there, and the run is replaced
        export(Run(folder), tracker.address)
        (run,) = tracker.runs.values()
        losses = [(step, value) for name, step, value in run["metrics"] if name == "valid/loss"]
        assert losses == [(1, 1.5), (2, 0.9), (3, "NaN"), (4, 0.7)]
        settings = json.loads((folder / "input/config/hyperparameters.json").read_text(encoding="utf-8"))
        assert run["params"] == {name: str(value).strip('"') for name, value in settings.items()}
        assert run["status"] == "FINISHED"


def test_a_server_that_refuses_or_is_not_there_is_told(
    tracker: Tracker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker.password = "Bearer secret"
    with pytest.raises(UserFacingError, match=r"refused\. It says: You are not authenticated\. Check the address"):
        export(Run(folder), tracker.address)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    export(Run(folder), tracker.address)
    assert len(tracker.runs) == 1
    with pytest.raises(UserFacingError, match="does not answer"):
        export(Run(folder), Path("http://127.0.0.1:1/x"))
