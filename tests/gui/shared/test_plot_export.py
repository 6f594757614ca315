from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu

from core.errors import UserFacingError
from gui.shared.plot_export import save_numbers, save_picture
from gui.shared.plotting import Plot, curve


@pytest.fixture
def plot(qtbot):
    made = Plot("Epoch", "Loss")
    made.setAccessibleName("Loss over epochs")
    made.addItem(curve(x=np.array([1.0, 2.0, 3.0]), y=np.array([0.5, 0.25, np.nan]), name="valid"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def chosen_in_the_menu(plot, word):
    plot.customContextMenuRequested.emit(QPoint(50, 50))
    menu = next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QMenu) and widget.isVisible())
    next(action for action in menu.actions() if word in action.text()).trigger()
    menu.close()


def test_the_menu_saves_numbers_and_pictures(plot, tmp_path, monkeypatch):
    def save_as(name):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / name), ""))

    save_as("loss")
    chosen_in_the_menu(plot, "numbers")
    rows = list(csv.reader((tmp_path / "loss.csv").read_text().splitlines()))
    assert rows[:3] == [
        ["plot", "curve", "Epoch", "value"],
        ["Loss over epochs", "valid", "1.0", "0.5"],
        ["Loss over epochs", "valid", "2.0", "0.25"],
    ]
    save_as("loss.png")
    chosen_in_the_menu(plot, "picture")
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size == (400, 300)
    save_picture(plot, tmp_path / "loss.svg")
    assert (tmp_path / "loss.svg").read_text().lstrip().startswith("<?xml")


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file.csv").mkdir()
    with pytest.raises(UserFacingError, match="could not be saved"):
        save_numbers([("a", 1)], tmp_path / "file.csv")
