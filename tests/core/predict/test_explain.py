from __future__ import annotations

import io
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.errors import Cancelled, ModelError, PictureError
from core.models.inference_model import InferenceModel
from core.models.info import ModelInfo
from core.predict.decoding import decode
from core.predict.explain import STEPS, covers, explain, occlusion, overlay
from core.progress import CancelToken
from training_scripts.backbones import Preprocessing

SPOT = (slice(20, 60), slice(150, 190))


@pytest.fixture
def watcher() -> InferenceModel:
    """A model that is sure of "bright" as far as one spot of its 224 pixels is bright."""

    def forward(pictures):
        bright = pictures[:, SPOT[0], SPOT[1]].mean(axis=(1, 2, 3)) / 255
        return np.stack([6 * bright - 3, np.zeros(len(pictures))], axis=1).astype(np.float32)

    return InferenceModel(ModelInfo("watcher", "none", ("bright", "dark"), Preprocessing()), forward, "test")


def _decoded(width: int, height: int):
    ramp = np.full((height, width, 3), 90, np.uint8)
    ramp[: height // 3] = 250
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    return decode(buffer.getvalue(), Preprocessing())


def test_the_heat_is_where_the_model_looks(watcher):
    decoded = _decoded(256, 256)
    uncovered = float(watcher.probabilities(decoded.pixels[None])[0, 0])
    heat = occlusion(watcher, decoded, 0, uncovered)
    assert heat.shape == (STEPS, STEPS)
    assert heat.max() == 1
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 20 <= (row + 0.5) * 224 / STEPS <= 60
    assert 150 <= (column + 0.5) * 224 / STEPS <= 190
    assert heat[STEPS // 2 :].max() == 0
    assert heat[:, : STEPS // 2].max() == 0


def test_the_overlay_lies_over_the_square_that_was_seen(watcher):
    label, probability, png = explain(watcher, _decoded(512, 256), None)
    assert label == "bright"
    assert 0.5 < probability < 1
    alpha = np.asarray(Image.open(io.BytesIO(png)))[..., 3].astype(float)
    assert alpha.shape == (256, 512)
    rows, columns = np.mgrid[:256, :512]
    # The square begins at (256 - 224) / 2 and (512 - 224) / 2.
    assert (rows * alpha).sum() / alpha.sum() == pytest.approx(16 + 40, abs=12)
    assert (columns * alpha).sum() / alpha.sum() == pytest.approx(144 + 170, abs=12)
    assert alpha[:, :140].max() == 0


def test_a_class_that_nothing_speaks_for_gives_an_empty_overlay(watcher):
    label, probability, png = explain(watcher, _decoded(256, 256), "dark")
    assert label == "dark"
    assert probability < 0.5
    assert np.asarray(Image.open(io.BytesIO(png)))[..., 3].max() < 40


def test_an_unknown_class_is_refused(watcher):
    with pytest.raises(ModelError, match="no class 'lion'"):
        explain(watcher, _decoded(256, 256), "lion")


def test_a_place_is_covered_in_every_view_that_shows_it():
    preprocessing = Preprocessing(size=64, resize=64, views=6)
    own, mirrored, whole, _, first, last = np.array(covers((200, 100), preprocessing)).transpose(1, 0, 2)
    assert np.array_equal(mirrored[:, [0, 2]], 64 - own[:, [2, 0]])
    corner = 0
    assert whole[corner].tolist() == [0, 0, 16, 16]
    assert first[corner].tolist() == [0, 0, 32, 16], "the end shows half of the width"
    assert last[corner, 0] == last[corner, 2] == 0, "the other end does not show it"
    middle = STEPS * (STEPS // 2) + STEPS // 2
    assert all((view[middle, 2] > view[middle, 0]).all() for view in (own, whole))


def test_an_explanation_is_an_overlay_of_the_whole_picture(predictor, trained_job):
    picture = trained_job.picture("red")
    explanation = predictor.explain(picture)
    assert explanation.label == "red"
    assert explanation.probability == pytest.approx(predictor.classify([picture])[0].probability, abs=1e-4)
    overlay = np.asarray(Image.open(io.BytesIO(explanation.png)))
    assert overlay.shape == (384, 512, 4)
    assert overlay[..., 3].max() > 100
    assert overlay[:, :40, 3].max() == 0  # outside the square that the network sees


def test_an_explanation_that_nobody_waits_for_any_more_leaves_the_process_warm(predictor, trained_job):
    def explain_for_ever(cancel: CancelToken) -> None:
        while True:
            predictor.explain(trained_job.picture("red"), cancel=cancel)

    before = predictor.pid
    for delay in (0.0, 0.02, 0.1):
        cancel = CancelToken()
        timer = threading.Timer(delay, cancel.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            explain_for_ever(cancel)
        timer.join()
        assert predictor.classify([trained_job.picture("blue")])[0].label == "blue"
        assert predictor.explain(trained_job.picture("blue")).label == "blue"
    assert predictor.pid == before


def test_explaining_what_cannot_be_says_so(predictor, trained_job):
    with pytest.raises(PictureError, match="not a picture"):
        predictor.explain(b"nothing")
    with pytest.raises(PictureError, match="no class 'lion'"):
        predictor.explain(trained_job.picture("red"), "lion")
    assert predictor.explain(trained_job.picture("blue")).label == "blue"


@pytest.mark.parametrize("framing", ["squash", "pad"])
def test_the_overlay_lies_over_the_whole_picture_where_all_of_it_is_seen(watcher, framing):
    ramp = np.full((256, 512, 3), 250, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    decoded = decode(buffer.getvalue(), replace(Preprocessing(), framing=framing))
    heat = np.zeros((STEPS, STEPS))
    heat[:, 0] = 1  # the left edge of what is seen is that of the picture
    alpha = np.asarray(Image.open(io.BytesIO(overlay(heat, decoded))))[..., 3].astype(float)
    assert alpha.shape == (256, 512)
    assert alpha[:, :20].min() > 150
    assert alpha[:, 300:].max() == 0
