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
