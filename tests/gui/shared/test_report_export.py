from pathlib import Path
from types import SimpleNamespace

import pytest
from PySide6.QtWidgets import QWidget

from gui.shared.report_export import ReportExport


def test_of_two_jobs_that_are_called_the_same_the_chosen_one_is_compared(qtbot, monkeypatch):
    page = QWidget()
    qtbot.addWidget(page)
    exports, compared = ReportExport(page, None, None, None, print), []
    qtbot.addWidget(exports.progress)
    monkeypatch.setattr(exports, "save_comparison", lambda *jobs: compared.append(jobs))
    dialog = exports.ask_other("c", [("pets", "a"), ("pets", "b"), ("birds", "d"), ("birds", "c"), ("e", "e")])
    assert dialog.comboBoxItems() == ["pets (a)", "pets (b)", "birds (d)", "e"]
    for shown in dialog.comboBoxItems():
        dialog.textValueSelected.emit(shown)
    assert compared == [("c", "a"), ("c", "b"), ("c", "d"), ("c", "e")]


@pytest.mark.parametrize("place", ["s3://bucket/jobs/pets/", "/data/pets", "C:\\runs\\pets", "pets"])
def test_a_report_of_any_place_is_proposed_by_its_last_part(qtbot, place):
    page = QWidget()
    qtbot.addWidget(page)
    exports = ReportExport(page, SimpleNamespace(reports=None), None, None, print)
    qtbot.addWidget(exports.progress)
    dialogs = [
        exports.save_report(place),
        exports.save_findings(place),
        exports.save_comparison(place, "/others/dogs"),
    ]
    proposed = [Path(dialog.selectedFiles()[0]) for dialog in dialogs]
    for dialog in dialogs:
        dialog.close()
    assert [path.name for path in proposed] == ["pets-report.html", "pets-findings.html", "pets-dogs.html"]
    assert {path.parent for path in proposed} == {Path.home()}
