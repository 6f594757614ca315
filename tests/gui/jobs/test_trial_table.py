"""The table of trials in windows of any height."""

from __future__ import annotations

from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from gui.jobs.trial_table import TrialTable
from gui.jobs.trials_model import TrialsModel


def test_whole_rows_are_shown_and_no_part_of_one(qtbot):
    model = TrialsModel()
    model.set_frame("cv:loss", ("weight_decay",))
    model.update_trials([TrainingJob(f"t-{number}", JobStatus.COMPLETED, 1.0) for number in range(40)], "t-0")
    table = TrialTable(model)
    qtbot.addWidget(table)
    table.resize(700, 300)
    table.show()
    row, shown = table.view.verticalHeader().defaultSectionSize(), set()
    for height in range(table.minimumSizeHint().height(), 420, 11):
        table.resize(700, height)
        table.layout().activate()
        room = table.view.viewport().height()
        assert room % row == 0, f"{room} pixels at {height}"
        assert table.height() - table.view.geometry().bottom() <= row + table.view.frameWidth()
        shown.add(room // row)
    assert min(shown) == 2
    assert len(shown) > 5
    table.resize(700, 300)
    bar = table.view.horizontalScrollBar()
    for parameters in (tuple(f"p{at}" for at in range(12)), ("weight_decay",)):  # as of another job
        model.set_frame("cv:loss", parameters)
        table.layout().activate()
        qtbot.waitUntil(lambda: bar.isVisible() == (len(parameters) > 1))  # noqa: B023
        qtbot.waitUntil(lambda: table.view.viewport().height() % row == 0)
