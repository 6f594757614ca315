"""The predictor's process: killed, broken, standing still, closed."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from core.errors import Cancelled, ModelError, PictureError
from core.predict.child_process import Patience
from core.predict.predictor import Predictor
from core.predict.records import Prediction, Unreadable


def _bytes(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_close_ends_the_process_and_whoever_waits(trained_job, converted):
    made = Predictor(converted)
    made.load(trained_job.model)
    pid = made.pid
    ended: list[type[BaseException]] = []

    def ask() -> None:
        try:
            made.classify([trained_job.picture("red")] * 5000)
        except BaseException as error:
            ended.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    made.close()
    thread.join(20)
    assert ended == [Cancelled]
    assert not psutil.pid_exists(pid)
    made.close()
    with pytest.raises(Cancelled):
        made.classify([trained_job.picture("red")])


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_it_never_reads_anything_but_frames_on_standard_output(trained_job, converted, tmp_path):
    log = tmp_path / "predictor.log"
    made = Predictor(converted, log=log, command=_command(tmp_path, "print('noise on stdout', flush=True)"))
    try:
        made.load(trained_job.model)
        assert made.classify([trained_job.picture("red")])[0].label == "red"
    finally:
        made.close()
    assert "noise" in log.read_text(encoding="utf-8")


# The decoder's crash is injected: the real process, with a decoder that dies of one file.
DIES = """
    import os
    from core.predict import decoding
    honest = decoding.decode
    def decode(source, *rest):
        if getattr(source, "name", "").startswith("deadly"):
            os.abort()
        return honest(source, *rest)
    decoding.decode = decode
"""


def test_what_a_call_asks_again_is_not_taken_for_anothers_answer(trained_job, converted, tmp_path):
    deadly = tmp_path / "deadly.jpg"
    shutil.copy(trained_job.picture("red"), deadly)
    made = Predictor(converted, command=_command(tmp_path, DIES))
    decided, others = threading.Event(), []
    ask_green = threading.Thread(target=lambda: others.extend(made.classify([trained_job.picture("green")])))
    send_ahead = made._send_ahead

    def noted(*arguments):
        sent = send_ahead(*arguments)
        decided.set()
        return sent

    def ask_meanwhile(number, answer):
        if number == 1:  # the first that the new process has answered
            made._send_ahead = noted
            ask_green.start()
            assert decided.wait(60)

    try:
        made.load(trained_job.model, "colours")
        asked = [deadly, trained_job.picture("red"), trained_job.picture("blue")]
        dead, *known = made.classify(asked, on_answer=ask_meanwhile)
        ask_green.join(60)
        assert isinstance(dead, Unreadable)
        assert [answer.label for answer in (*known, *others)] == ["red", "blue", "green"]
    finally:
        made.close()


def test_the_picture_that_kills_the_process_is_named_and_the_others_are_answered(trained_job, converted, tmp_path):
    deadly = tmp_path / "deadly.jpg"
    shutil.copy(trained_job.picture("red"), deadly)
    made = Predictor(converted, log=tmp_path / "predictor.log", command=_command(tmp_path, DIES))
    try:
        made.load(trained_job.model, "colours")
        alone = made.classify([deadly])
        assert isinstance(alone[0], Unreadable)
        files = [trained_job.picture(trained_job.classes[number % 3]) for number in range(8)]
        answers = made.classify([*files[:5], deadly, *files[5:]])
        assert isinstance(answers[5], Unreadable)
        assert "deadly.jpg made the process that reads pictures fail" in answers[5].error.what
        assert "SIGABRT" in answers[5].error.why
        labels = [a.label for a in answers if isinstance(a, Prediction)]
        assert labels == [trained_job.classes[number % 3] for number in range(8)]
        with pytest.raises(PictureError, match=r"deadly\.jpg"):
            made.explain(deadly)
        assert made.classify([files[0]])[0].label == "blue"
    finally:
        made.close()


def test_a_process_that_cannot_start_is_an_error_in_words(tmp_path, trained_job):
    made = Predictor(tmp_path, command=_command(tmp_path, "import os; os._exit(3)"))
    try:
        with pytest.raises(ModelError, match="could not be loaded") as caught:
            made.load(trained_job.model, "colours")
        assert "status 3" in caught.value.why
    finally:
        made.close()


posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@posix
def test_one_that_stands_still_is_replaced_and_asked_once_more(trained_job, converted):
    """Large pictures as bytes too: writing them to a process that does not read took without end."""
    made = Predictor(converted, patience=Patience(silence_s=1.0))
    try:
        made.load(trained_job.model, "colours")
        large = _bytes(Image.open(trained_job.picture("red")).resize((2000, 1500)), "BMP")
        for ask in (
            lambda: made.classify([large])[0].label,
            lambda: made.classify([trained_job.picture("red")])[0].label,
            lambda: made.explain(trained_job.picture("red")).label,
            lambda: made.render(trained_job.picture("red"), 64).width == 64 and "red",
            lambda: made.load(trained_job.model, "the same under another name") and "red",
        ):
            before = made.pid
            os.kill(before, signal.SIGSTOP)
            assert ask() == "red"
            assert made.pid != before
            assert not psutil.pid_exists(before)
    finally:
        made.close()


@posix
def test_one_that_stands_still_twice_is_an_error_in_words(trained_job, converted, tmp_path):
    stop = f"""
        import os, pathlib, signal
        starts = pathlib.Path({str(tmp_path / "starts")!r})
        starts.open("a").write("x")
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    said = []
    made = Predictor(converted, command=_command(tmp_path, stop), patience=Patience(silence_s=1.0))
    try:
        with pytest.raises(ModelError, match="could not be loaded") as caught:
            made.load(trained_job.model, "colours", lambda progress: said.append(progress.message))
        assert "it stood still for 1 seconds" in caught.value.why
        assert said == ["Loading model", "The prediction process stood still and is started again"]
        assert (tmp_path / "starts").read_text() == "xx"
        with pytest.raises(PictureError, match="was not read") as unread:
            made.render(trained_job.picture("red"), 64)
        assert "stood still" in unread.value.why
    finally:
        made.close()


def _command(folder: Path, before: str) -> list[str]:
    """The real predictor process with some lines run before it serves."""
    import sys
    import textwrap

    from core.paths import ROOT

    script = folder / "worker_with_fault.py"
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(ROOT)!r})",
        "from core.models import worker",
        "serve = worker.Worker.run",
        "def run(self):",
        textwrap.indent(textwrap.dedent(before).strip(), "    "),
        "    serve(self)",
        "worker.Worker.run = run",
        "worker.main()",
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    return [sys.executable, str(script)]
