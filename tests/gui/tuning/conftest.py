"""The Tuning tab over an engine in memory, and a dataset of two colours."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.tuning.presets import BY_STEPS
from core.workbench import Workbench
from gui.feed import JobsFeed
from gui.tuning.tuning_draft import draft_from_preset
from gui.tuning.tuning_tab import TuningTab
from tests.gui.fakes import FakeEngine


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes that differ in colour, 12 pictures each."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for label, colour in (("blue", (30, 60, 200)), ("red", (200, 60, 30))):
        (root / label).mkdir()
        for number in range(12):
            noise = random.integers(-25, 25, (32, 32, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def bench(engine, paths):
    made = Workbench(paths, engine)
    yield made
    made.close()


@pytest.fixture
def feed(engine, bridge):
    made = JobsFeed(lambda: engine, bridge)
    yield made
    made.stop()


@pytest.fixture
def manifest(bench, pictures):
    return bench.data.split(bench.data.scan(pictures))


@pytest.fixture
def make_tab(bench, bridge, feed, qtbot):
    """Builds a Tuning tab, as a start of the application does."""

    def make() -> TuningTab:
        tab = TuningTab(bench, bridge, feed)
        qtbot.addWidget(tab)
        tab.resize(1190, 720)
        tab.show()
        return tab

    return make


@pytest.fixture
def tab(make_tab, manifest):
    """A tab with a dataset and a search of learning rate and batch size."""
    made = make_tab()
    made.set_dataset(manifest)
    made.show_draft(draft_from_preset(BY_STEPS))
    return made
