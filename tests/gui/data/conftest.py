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
