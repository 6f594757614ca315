"""The Data tab, empty."""

import pytest

from gui.data.data_tab import DataTab


@pytest.fixture
def tab(qtbot, workbench, bridge):
    made = DataTab(workbench, bridge)
    qtbot.addWidget(made)
    made.resize(1180, 760)
    made.show()
    return made


@pytest.fixture
def opened_tab(qtbot, workbench, bridge, dataset_folder):
    """Return the Data tab with three classes of ten pictures: daisy (1), rose (2), tulip (3)."""
    next(dataset_folder.rglob("broken.png")).unlink()
    made = DataTab(workbench, bridge)
    qtbot.addWidget(made)
    made.resize(1180, 900)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)  # shortcuts are heard in the active window only
    made.open_folder(dataset_folder)
    qtbot.waitUntil(lambda: made.manifest is not None)
    return made
