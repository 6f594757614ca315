"""`sagehound serve` under 8 clients: against the predictor's own rate, and a plain FastAPI + torch server.

Rates tell little on a busy machine, so processor time per picture is told too: of the predictor's process and this one,
which is the server. The clients are a process of their own.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from core.models import ModelAddress
from core.models.local import LocalModel
from core.models.serve import ModelServer
from core.paths import ROOT
from core.predict.predictor import Predictor
from tests.benchmarks.bench_predict import _draw, _model
from tests.benchmarks.harness import percentile, print_table
from tests.benchmarks.rivals import not_installed, python_with

CLIENTS, PICTURES, ROUNDS = 8, 400, 3
REACH = 0.8
# What the tutorials write: one worker, the picture decoded and asked in the handler.
RIVAL = """
import io, sys
sys.path.insert(0, sys.argv[1])
import fastapi, numpy as np, torch, uvicorn
from PIL import Image
from training_scripts.inference import model_fn
from training_scripts.network import normalise
from training_scripts.preprocess import pixels
model = model_fn(sys.argv[2])
app = fastapi.FastAPI()

@app.get("/ping")
def ping():
    return {}

async def body(request: fastapi.Request):
    return await request.body()

@app.post("/invocations")
def invocations(data: bytes = fastapi.Depends(body)):
    seen = torch.from_numpy(pixels(data, model.preprocessing)[None])
    with torch.inference_mode():
        found = model.network(normalise(seen, model.preprocessing)).softmax(1)[0]
    return {"predictions": [{"label": c, "probability": float(p)} for c, p in zip(model.classes, found)]}

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="error")
"""
# Keep-alive connections, each a thread that asks again as soon as it is answered.
ASKING = """
import http.client, json, sys, threading, time
port, pictures, clients = map(int, sys.argv[1:4])
content, seconds = open(sys.argv[4], "rb").read(), []

def client():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for _ in range(pictures // clients):
        began = time.perf_counter()
        connection.request("POST", "/invocations", content, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        seconds.append(time.perf_counter() - began)

threads = [threading.Thread(target=client) for _ in range(clients)]
began = time.perf_counter()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([len(seconds) / (time.perf_counter() - began), seconds]))
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model_folder = _model(root / "model")
        picture = root / "small.jpg"
        _draw(500, 375).save(picture, quality=90)
        content = picture.read_bytes()
        predictor = Predictor(root / "converted")
        model = LocalModel(predictor, model_folder, ModelAddress.file(model_folder))
        model.classify([content] * 32)
        rows: list[tuple[object, ...]] = []
        alone, served, latencies, plain, plain_latencies = [], [], [], [], []
        spent: dict[str, list[float]] = {"alone": [], "served": []}
        python = python_with("fastapi")
        with ModelServer(model) as server:
            rival = _rival(python, model_folder) if python else None
            try:
                for _ in range(ROUNDS):  # in turn, so that a busy moment meets all of them
                    began, used = time.perf_counter(), _processor(predictor)
                    model.classify([content] * PICTURES, None)
                    alone.append(PICTURES / (time.perf_counter() - began))
                    spent["alone"].append(_processor(predictor) - used)
                    used = _processor(predictor)
                    rate, seconds = _load(server.port, picture)
                    spent["served"].append(_processor(predictor) - used)
                    served.append(rate)
                    latencies += seconds
                    if rival is not None:
                        rate, seconds = _load(rival[1], picture)
                        plain.append(rate)
                        plain_latencies += seconds
            finally:
                if rival is not None:
                    rival[0].kill()
                    rival[0].wait()
        predictor.close()
        share = max(served) / max(alone)
        own, with_server = (1000 * min(spent[how]) / PICTURES for how in ("alone", "served"))
        rows.append(("the predictor itself, in batches", f"{max(alone):.0f}/s", f"{own:.2f} ms", "", "", ""))
        said = (
            f"{share:.0%} of it ({own / with_server:.0%} by processor time), {'met' if share >= REACH else 'NOT MET'}"
        )
        rows.append(("sagehound serve", f"{max(served):.0f}/s", f"{with_server:.2f} ms", *_times(latencies), said))
        if plain:
            against = f"{max(served) / max(plain):.1f} times slower than serve"
            rows.append(("FastAPI + torch", f"{max(plain):.0f}/s", "", *_times(plain_latencies), against))
        headers = (
            f"{CLIENTS} clients, 500 px JPEG",
            "pictures",
            "processor each",
            "median",
            "p99",
            f"reach: {REACH:.0%}",
        )
        print_table(headers, rows)
        if not plain:
            print(not_installed("fastapi"))


def _times(seconds: list[float]) -> tuple[str, str]:
    return f"{1000 * percentile(seconds, 0.5):.1f} ms", f"{1000 * percentile(seconds, 0.99):.1f} ms"


def _processor(predictor: Predictor) -> float:
    """Return the seconds of processor that the predictor's process and this one have used."""
    times = [psutil.Process(pid).cpu_times() for pid in (predictor.pid, os.getpid())]
    return sum(one.user + one.system for one in times)


def _load(port: int, picture: Path) -> tuple[float, list[float]]:
    """Return the pictures a second that `CLIENTS` connections got answered, and each answer's seconds."""
    asked = [str(port), str(PICTURES), str(CLIENTS), str(picture)]
    said = subprocess.run([sys.executable, "-c", ASKING, *asked], check=True, capture_output=True, text=True).stdout
    rate, seconds = json.loads(said)
    return float(rate), seconds


def _rival(python: str, model: Path) -> tuple[subprocess.Popen[bytes], int]:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = subprocess.Popen([python, "-c", RIVAL, str(ROOT), str(model), str(port)])
    for _ in range(600):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ping")
            connection.getresponse().read()
            return process, port
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    process.kill()
    raise SystemExit("The rival's server did not start.")


if __name__ == "__main__":
    main()
