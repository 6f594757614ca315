from __future__ import annotations

import base64
import http.client
import importlib.resources
import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from core.errors import ModelError, PictureError, UserFacingError
from core.models import Model, ModelAddress
from core.models.local import LocalModel
from core.models.serve import Limits, ModelServer
from core.models.serve.admission import Access, Rates, is_loopback
from core.predict.records import Explanation, Prediction, Unreadable
from training_scripts import inference


class Echo(Model):
    """Answers cat or dog by the first letter of what it gets; `x…` is not a picture, `!…` breaks it."""

    explains = True

    def __init__(self) -> None:
        super().__init__("echo", ModelAddress.job("echo"), None, "test")
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def classify(self, pictures, top_k=5, on_progress=None, cancel=None, on_answer=None, **_named):
        self.gate.wait()
        self.batches.append(len(pictures))
        answers = [self._answer(picture) for picture in pictures]
        for number, answer in enumerate(answers):
            on_answer(number, answer)
        return answers

    def _answer(self, picture):
        if picture.startswith(b"!"):
            raise ModelError("The model broke.")
        if picture.startswith(b"x"):
            return Unreadable(picture, PictureError("The picture is damaged."))
        classes = (("cat", 0.75), ("dog", 0.25)) if picture.startswith(b"c") else (("dog", 0.9), ("cat", 0.1))
        if picture.startswith(b"cs"):
            return Prediction(picture, classes, 1.0, "echo", 1, 1, strangeness=2.5, unknown=True)
        return Prediction(picture, classes, 1.0, "echo", 1, 1)

    def explain(self, picture, label=None, cancel=None):
        return Explanation(picture, label or "cat", 0.75, b"png of " + (label or "cat").encode(), 1.0)


@pytest.fixture
def served():
    with ModelServer(Echo(), limits=Limits(body=10_000, waiting=4)) as server:
        yield server


def ask(server, method="POST", path="/invocations", body=b"c", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body if method == "POST" else None, {"Content-Type": "image/jpeg", **names})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def test_it_answers_as_an_endpoint_does(served):
    assert ask(served, "GET", "/ping")[:2] == (200, "")
    status, text, headers = ask(served)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(text) == {
        "predictions": [{"label": "cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}]
    }
    assert ask(served, Accept="text/csv")[1] == "0,cat,0.750000\n0,dog,0.250000\n"
    strange = json.loads(ask(served, body=b"cs")[1])
    assert (strange["unknown"], strange["strangeness"], strange["predictions"][0]["label"]) == (True, 2.5, "cat")
    assert ask(served, body=b"cs", Accept="text/csv")[1] == "0,cat,0.750000,true\n0,dog,0.250000,true\n"
    two = json.dumps({"instances": [{"b64": base64.b64encode(item).decode()} for item in (b"d", b"c")]})
    status, text, _ = ask(served, body=two.encode(), Content_Type="application/json")
    assert [item["predictions"][0]["label"] for item in json.loads(text)] == ["dog", "cat"]


def test_sagemakers_own_client_asks_it_unchanged(served):
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://127.0.0.1:{served.port}",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    answer = client.invoke_endpoint(EndpointName="any", ContentType="application/x-image", Accept="text/csv", Body=b"d")
    assert (answer["ContentType"], answer["Body"].read()) == ("text/csv", b"0,dog,0.900000\n0,cat,0.100000\n")
    with pytest.raises(ClientError) as refused:
        client.invoke_endpoint(EndpointName="any", ContentType="text/plain", Body=b"d")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert "text/plain is not understood" in refused.value.response["Error"]["Message"]
    client.close()


REFUSALS = [
    ({"path": "/other"}, 404, "nothing at this address"),
    ({"Content_Type": "text/plain"}, 415, "not understood"),
    ({"Content_Type": "application/json", "body": b'{"instances": []}'}, 415, "holds no pictures"),
    ({"Content_Type": "application/json", "body": b"[" * 9000}, 415, "holds no pictures"),
    ({"body": b"x"}, 400, "The picture is damaged."),
    ({"body": b"!"}, 500, "The model broke."),
    ({"body": b"c" * 10_001}, 413, "at most"),
    ({"Content_Length": "-1"}, 400, "is not a number"),
    ({"Transfer_Encoding": "chunked"}, 411, "Content-Length"),
    ({"Origin": "https://elsewhere.example"}, 403, "other sites"),
    ({"Origin": "null"}, 403, "other sites"),
    ({"Sec_Fetch_Site": "cross-site"}, 403, "other sites"),
    ({"Host": "rebound.example"}, 403, "not go by that name"),
]


@pytest.mark.parametrize(("asked", "status", "words"), REFUSALS)
def test_what_is_refused_is_said_in_a_sentence(served, asked, status, words):
    found, text, headers = ask(served, **asked)
    assert (found, headers["X-Content-Type-Options"]) == (status, "nosniff")
    assert words in json.loads(text)["message"]
    assert ask(served)[0] == 200  # and nothing else suffers


def test_the_servers_own_page_may_ask(served):
    own = f"http://127.0.0.1:{served.port}"
    assert ask(served, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(served, "POST", "/explain?label=dog", Origin=own)[:2] == (200, "png of dog")
    assert json.loads(ask(served, "GET", "/model")[1]) == {"name": "echo", "classes": [], "explains": True}


def test_with_a_token_only_who_has_it_is_answered():
    with ModelServer(Echo(), token="open sesame") as server:
        assert ask(server)[0] == 401
        assert ask(server, Authorization="Bearer wrong")[0] == 401
        assert ask(server, Authorization="Bearer open sesame")[0] == 200
        assert ask(server, X_Amzn_SageMaker_Custom_Attributes="token=open sesame")[0] == 200
        assert [ask(server, "GET", path)[0] for path in ("/ping", "/", "/model")] == [200, 200, 401]
        assert server.url.endswith("/#open%20sesame")


def test_what_waits_is_asked_together_and_too_much_is_refused(served):
    model = served.model
    model.gate.clear()
    with ThreadPoolExecutor(6) as pool:
        first = []
        for count in (1, 2):  # one is answered while the next is decoded
            first.append(pool.submit(ask, served))
            while served.batcher._queue.qsize() or served.batcher._waiting < count:  # until the model has taken it
                pass
        more = [pool.submit(ask, served, body=body) for body in (b"d", b"c")]
        while served.batcher._waiting < 4:
            pass
        assert pool.submit(ask, served).result()[0] == 429
        model.gate.set()
        assert [waiting.result()[0] for waiting in (*first, *more)] == [200] * 4
    assert sorted(model.batches) == [1, 1, 2]


def test_a_taken_port_is_said_with_the_way_out(served):
    with pytest.raises(UserFacingError, match="--port"):
        ModelServer(Echo(), port=served.port)


def test_a_connection_that_says_nothing_is_closed():
    with (
        ModelServer(Echo(), limits=Limits(silence_s=0.1)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
    ):
        connection.sendall(b"POST /invocations HTTP/1.1\r\n")
        assert connection.recv(1) == b""


def test_other_machines_may_ask_so_often_and_this_one_as_it_likes():
    now = [0.0]
    rates = Rates(Limits(per_second=2.0, burst=3), lambda: now[0])
    assert [rates.allows("192.168.0.7") for _ in range(4)] == [True, True, True, False]
    assert rates.allows("192.168.0.8")
    now[0] = 0.5
    assert [rates.allows("192.168.0.7") for _ in range(2)] == [True, False]
    assert all(rates.allows("127.0.0.1") for _ in range(100))
    assert [is_loopback(name) for name in ("localhost", "::1", "::ffff:127.0.0.1", "10.0.0.1", "name")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_name_that_a_server_does_not_go_by_is_refused_also_where_others_may_ask():
    access = Access("0.0.0.0")
    assert access.refusal({"Host": "192.168.0.5:8080"}) == ""
    assert access.refusal({"Host": f"{socket.gethostname()}:8080"}) == ""
    assert access.refusal({"Host": "evil.example:8080"})
    assert access.refusal({})
    assert access.refusal({"Host": "192.168.0.5:8080", "Origin": "http://192.168.0.5:9999"})


def test_the_page_takes_nothing_from_elsewhere_and_runs_under_its_policy(served):
    texts = {path: ask(served, "GET", path) for path in ("/", "/page.js", "/page.css")}
    for status, text, headers in texts.values():
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert not re.search(r"(?:https?:)?//[a-z]", text)
    page, code = texts["/"][1], texts["/page.js"][1]
    assert not re.search(r"<script>|style=|\son[a-z]+=", page)
    assert {urlsplit(link).netloc for link in re.findall(r'(?:src|href)="([^"]+)"', page)} == {""}
    assert set(re.findall(r'\bat\("([a-z]+)"\)', code)) <= set(re.findall(r'id="([a-z]+)"', page))
    assert importlib.resources.files("resources").joinpath("serve", "page.js").is_file()


def test_a_served_model_answers_as_the_predictor_and_as_an_endpoint(trained_job, predictor):
    model = LocalModel(predictor, trained_job.model, ModelAddress.job("colours"), "colours")
    picture = trained_job.picture("red")
    (here,) = model.classify([picture], None)
    there = inference.predict_fn(picture.read_bytes(), inference.model_fn(str(trained_job.model)))
    with ModelServer(model) as server:
        status, text, _ = ask(server, body=picture.read_bytes())
        assert status == 200
        told = {item["label"]: item["probability"] for item in json.loads(text)["predictions"]}
        status, png, _ = ask_raw(server, "/explain?label=red", picture.read_bytes())
        assert (status, png[:4]) == (200, b"\x89PNG")
    assert told == pytest.approx(dict(here.classes), abs=1e-4)
    assert told == pytest.approx(dict(zip(there.classes, there.values[0].tolist(), strict=True)), abs=1e-4)


def ask_raw(server, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()
