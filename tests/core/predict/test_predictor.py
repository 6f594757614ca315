from __future__ import annotations

import io
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core.errors import Cancelled, ModelError, PictureError
from core.predict.predictor import BATCH, Predictor
from core.predict.records import Prediction, Unreadable
from core.progress import CancelToken


def _bytes(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_pictures_get_their_class_whether_they_are_files_or_bytes(predictor, trained_job):
    files = [trained_job.picture(label) for label in trained_job.classes]
    from_files = predictor.classify(files)
    from_bytes = predictor.classify([file.read_bytes() for file in files])
    assert [answer.label for answer in from_files] == list(trained_job.classes)
    assert [answer.classes for answer in from_bytes] == [answer.classes for answer in from_files]
    for answer, file in zip(from_files, files, strict=True):
        assert answer.source == file
        assert answer.model == "colours"
        assert (answer.width, answer.height) == (320, 240)
        assert answer.milliseconds > 0
        assert sum(p for _, p in answer.classes) == pytest.approx(1)
        assert [p for _, p in answer.classes] == sorted((p for _, p in answer.classes), reverse=True)


def test_it_answers_as_the_endpoint_would(predictor, trained_job):
    from training_scripts.inference import input_fn, model_fn, output_fn, predict_fn

    model = model_fn(str(trained_job.model))
    for label in trained_job.classes:
        body = trained_job.picture(label, number=1).read_bytes()
        text, kind = output_fn(predict_fn(input_fn(body, "application/x-image"), model))
        assert kind == "application/json"
        expected = {item["label"]: item["probability"] for item in json.loads(text)["predictions"]}
        answer = predictor.classify([body], None)[0]
        assert dict(answer.classes) == pytest.approx(expected, abs=1e-4)


def test_pytorch_and_the_fast_runtime_agree(predictor, trained_job, tmp_path, monkeypatch):
    assert predictor.load(trained_job.model, "colours").runtime == "OpenVINO"
    monkeypatch.setenv("SAGEHOUND_RUNTIME", "torch")
    slow = Predictor(tmp_path)
    try:
        assert slow.load(trained_job.model).runtime == "PyTorch"
        assert slow.model.name == "colours"  # model.json knows its training job
        files = [trained_job.picture(label, number=number) for label in trained_job.classes for number in range(3)]
        for ours, theirs in zip(predictor.classify(files, None), slow.classify(files, None), strict=True):
            assert dict(ours.classes) == pytest.approx(dict(theirs.classes), abs=1e-4)
    finally:
        slow.close()


def test_a_second_start_needs_no_torch(trained_job, converted, predictor, tmp_path):
    said = []
    again = Predictor(converted)
    try:
        again.load(trained_job.model, "colours", lambda progress: said.append(progress.message))
        answer = again.classify([trained_job.picture("red")])[0]
        assert answer.label == "red"
        assert said == ["Loading model"]
        maps = Path(f"/proc/{again.pid}/maps")
        if maps.exists():
            assert "libtorch" not in maps.read_text(encoding="utf-8")
    finally:
        again.close()


def test_top_k_and_thumbnails(predictor, trained_job):
    tall = Image.new("RGB", (60, 400), (200, 50, 40))
    answers = predictor.classify([trained_job.picture("red"), b"x", _bytes(tall)], 1, thumbnail=64)
    assert [len(a.classes) for a in answers if isinstance(a, Prediction)] == [1, 1]
    assert isinstance(answers[1], Unreadable)
    sizes = [Image.open(io.BytesIO(a.thumbnail)).size for a in answers if isinstance(a, Prediction)]
    assert sizes == [(64, 48), (10, 64)]


def test_the_size_is_that_of_the_upright_picture(predictor):
    image = Image.new("RGB", (1600, 800), (200, 50, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    answer = predictor.classify([buffer.getvalue()])[0]
    assert (answer.width, answer.height) == (800, 1600)


def _too_wide() -> bytes:
    return _bytes(Image.new("1", (30_000, 4)))


def _bomb() -> bytes:
    return _bytes(Image.new("1", (15_000, 15_000)))


def _cut_off() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    return _bytes(Image.fromarray(noise), "JPEG")[:5000]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", lambda: b"no picture at all", "is not a picture"),
        ("empty.png", lambda: b"", "is empty"),
        ("cut.jpg", _cut_off, "is cut off"),
        ("wide.png", _too_wide, "30,000"),
        ("bomb.png", _bomb, "15,000"),
    ],
)
def test_each_bad_picture_has_one_clear_sentence_and_the_next_one_works(
    predictor, trained_job, tmp_path, name, content, words
):
    bad = tmp_path / name
    bad.write_bytes(content())
    good = trained_job.picture("green")
    answers = predictor.classify([bad, good, tmp_path / "gone.jpg", good])
    assert isinstance(answers[0], Unreadable)
    error = answers[0].error
    assert isinstance(error, PictureError)
    assert error.what.startswith(name)
    assert words in error.what
    assert str(error).endswith(".")
    assert isinstance(answers[2], Unreadable)
    assert "gone.jpg is not there" in answers[2].error.what
    assert [a.label for a in answers if isinstance(a, Prediction)] == ["green", "green"]


def test_many_pictures_come_in_order_with_progress(predictor, trained_job):
    labels = [trained_job.classes[number % 3] for number in range(3 * BATCH + 5)]
    seen: list[tuple[int, str]] = []
    told = []
    answers = predictor.classify(
        [trained_job.picture(label) for label in labels],
        on_progress=told.append,
        on_answer=lambda number, answer: seen.append((number, answer.label)),
    )
    assert [answer.label for answer in answers] == labels
    assert seen == list(enumerate(labels))
    assert (told[-1].done, told[-1].total) == (len(labels), len(labels))


def test_cancel_stops_and_the_process_stays_for_the_next(predictor, trained_job):
    cancel = CancelToken()
    seen: list[int] = []

    def on_answer(number: int, answer: object) -> None:
        seen.append(number)
        cancel.cancel()

    before = predictor.pid
    with pytest.raises(Cancelled):
        predictor.classify([trained_job.picture("red")] * 10 * BATCH, cancel=cancel, on_answer=on_answer)
    assert len(seen) <= BATCH
    assert predictor.classify([trained_job.picture("blue")])[0].label == "blue"
    assert predictor.pid == before


def test_a_killed_process_is_replaced_with_its_model(predictor, trained_job):
    before = predictor.pid
    process = psutil.Process(before)
    process.kill()
    psutil.wait_procs([process], timeout=10)
    assert predictor.render(trained_job.picture("red"), 64).width == 64, "no picture is blamed for it"
    answers = predictor.classify([trained_job.picture("red"), trained_job.picture("blue")])
    assert [answer.label for answer in answers] == ["red", "blue"]
    assert predictor.pid not in (None, before)


def test_calls_from_many_threads_wait_for_one_another(predictor, trained_job):
    found: dict[str, list[str]] = {}

    def ask(label: str) -> None:
        found[label] = [a.label for a in predictor.classify([trained_job.picture(label)] * 20)]

    threads = [threading.Thread(target=ask, args=(label,)) for label in trained_job.classes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {label: [label] * 20 for label in trained_job.classes}


def test_small_calls_of_many_threads_get_their_own_answers_also_when_the_process_dies_between(predictor, trained_job):
    wrong: list[str] = []

    def ask(label: str) -> None:
        for number in range(12):
            picture = trained_job.picture(label, number=number % 3)
            wrong.extend(a.label for a in predictor.classify([picture] * (1 + number % 4)) if a.label != label)

    threads = [threading.Thread(target=ask, args=(label,)) for label in trained_job.classes * 2]
    for thread in threads:
        thread.start()
    psutil.Process(predictor.pid).kill()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_model_that_another_call_replaced_is_loaded_again(predictor, trained_job, tmp_path):
    colours = predictor.load(trained_job.model, "colours")
    other = predictor.load(shutil.copytree(trained_job.model, tmp_path / "other"), "other")
    assert predictor.model == other
    assert predictor.classify([trained_job.picture("red")], model=colours)[0].model == "colours"
    assert predictor.classify([trained_job.picture("red")], model=other)[0].model == "other"
    predictor.load(trained_job.model, "colours")


def test_render_gives_the_upright_pixels(predictor, trained_job):
    rendered = predictor.render(trained_job.picture("red"), 160)
    assert (rendered.width, rendered.height) == (160, 120)
    pixels = np.frombuffer(rendered.pixels, np.uint8).reshape(120, 160, 3)
    assert pixels[..., 0].mean() > 150 > pixels[..., 1].mean()
    with pytest.raises(PictureError, match="not a picture"):
        predictor.render(b"nothing", 100)


def test_a_cancelled_load_leaves_no_model_and_the_next_one_loads(trained_job, tmp_path):
    made = Predictor(tmp_path / "empty cache")
    cancel = CancelToken()
    try:
        with pytest.raises(Cancelled):
            made.load(trained_job.model, on_progress=lambda progress: cancel.cancel(), cancel=cancel)
        assert made.model is None
        assert made.pid is None
    finally:
        made.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.pth").unlink(), "has no model"),
        (lambda folder: (folder / "model.pth").write_bytes(b"broken"), "cannot be loaded"),
        (lambda folder: (folder / "model.json").write_text("{", encoding="utf-8"), "cannot be loaded"),
        (lambda folder: (folder / "model.json").unlink(), "cannot be loaded"),
    ],
)
def test_a_broken_model_is_an_error_in_words_and_the_next_one_loads(predictor, trained_job, tmp_path, spoil, words):
    folder = shutil.copytree(trained_job.model, tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelError, match=words) as caught:
        predictor.load(folder, "spoiled")
    assert "spoiled" in caught.value.what
    assert predictor.model is None
    with pytest.raises(ModelError, match="No model is loaded"):
        predictor.classify([trained_job.picture("red")])
    predictor.load(trained_job.model, "colours")
    assert predictor.classify([trained_job.picture("red")])[0].label == "red"


def test_weights_that_are_not_numbers_are_refused(predictor, trained_job, tmp_path):
    import torch

    folder = shutil.copytree(trained_job.model, tmp_path / "model")
    state = torch.load(folder / "model.pth", weights_only=True)
    state["head.bias"][:] = float("nan")
    torch.save(state, folder / "model.pth")
    with pytest.raises(ModelError, match="gives no usable answers"):
        predictor.load(folder, "diverged")
    predictor.load(trained_job.model, "colours")


def test_a_damaged_conversion_is_made_anew(trained_job, converted, predictor, tmp_path):
    cache = shutil.copytree(converted, tmp_path / "cache")
    spoiled = list(cache.rglob("model.xml"))
    assert spoiled
    for file in spoiled:
        file.write_text("<broken", encoding="utf-8")
    made = Predictor(cache)
    try:
        assert made.load(trained_job.model).runtime == "OpenVINO"
        assert made.classify([trained_job.picture("green")])[0].label == "green"
    finally:
        made.close()
    assert any(file.stat().st_size > 100 for file in cache.rglob("model.xml"))
