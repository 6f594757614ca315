import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from core.settings import Settings, SettingsFile
from gui.cloud.aws_dialog import aws_profiles
from gui.shared.basics import label
from gui.shared.dialogs import CloseDialog, Decision, GrowingDialog, Option, defect_dialog, error_dialog
from gui.window.settings_dialog import SettingsDialog


@pytest.fixture
def parent(qtbot):
    made = QWidget()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def file(tmp_path):
    return SettingsFile(tmp_path / "settings.json")


def test_a_button_is_an_answer_and_escape_is_cancel(parent, qtbot):
    heard = []
    for key in ("yes", None):
        dialog = Decision(parent, "Sure?", ["It costs nothing."], [Option("yes", "Yes", "primary")])
        dialog.ask(heard.append)
        if key:
            qtbot.mouseClick(dialog.buttons[key], Qt.MouseButton.LeftButton)
        else:
            qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert heard == ["yes", "cancel"]


def test_closing_names_the_jobs(parent, qtbot):
    jobs = [TrainingJob(f"flowers-{n}", JobStatus.IN_PROGRESS, 0.0) for n in range(5)]
    one, many = CloseDialog(parent, jobs[:1]), CloseDialog(parent, jobs)
    qtbot.addWidget(one)
    qtbot.addWidget(many)
    assert "Stop it" in one.buttons["stop"].text()
    assert "Stop them" in many.buttons["stop"].text()
    assert many.buttons["continue"].isDefault()


def test_errors_and_defects_are_shown_with_their_words(parent, qtbot):
    error = error_dialog(parent, UserFacingError("It failed.", "Because.", "Do that."))
    defect = defect_dialog(parent, "ValueError: x", "Traceback…")
    for made in (error, defect):
        qtbot.addWidget(made)
    defect.ask()
    qtbot.mouseClick(defect.buttons["copy"], Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == "Traceback…"


def test_every_setting_has_an_editor_and_a_change_holds_at_once(parent, qtbot, file):
    heard = []
    dialog = SettingsDialog(parent, file, lambda name, settings: heard.append((name, getattr(settings, name))))
    qtbot.addWidget(dialog)
    dialog.show()
    # The engine is chosen where one connects to AWS.
    assert set(dialog.editors) == set(Settings.__dataclass_fields__) - {"engine"}
    theme = dialog.editors["theme"]
    theme.setCurrentIndex(theme.findData("dark"))
    dialog.editors["split_seed"].setValue(12)
    qtbot.mouseClick(dialog.editors["notify"], Qt.MouseButton.LeftButton)
    assert ("theme", "dark") in heard
    assert SettingsFile(file._path).current == Settings(theme="dark", split_seed=12, notify=file.current.notify)
    dialog.reset()
    assert file.current == Settings()
    assert theme.currentData() == "system"
    for editor in dialog.editors.values():
        assert editor.accessibleName()


def test_a_setting_that_cannot_be_saved_says_so(parent, qtbot, tmp_path):
    (tmp_path / "in-the-way").write_text("", encoding="utf-8")
    dialog = SettingsDialog(parent, SettingsFile(tmp_path / "in-the-way" / "s.json"), lambda name, settings: None)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.editors["split_seed"].setValue(5)
    assert "could not be saved" in dialog._error.text


def test_profiles_are_read_without_the_sdk(tmp_path, monkeypatch):
    (tmp_path / "config").write_text(
        "[default]\nregion=x\n[profile work]\n[sso-session corp]\n[services s]\n", encoding="utf-8"
    )
    (tmp_path / "credentials").write_text("[old]\naws_secret_access_key = secret\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert aws_profiles() == ["default", "old", "work"]
    (tmp_path / "config").write_bytes(b"\xff\xfe[")
    assert aws_profiles() == ["old"]


def test_a_dialog_grows_with_what_is_said_in_it(qtbot):
    dialog = GrowingDialog()
    qtbot.addWidget(dialog)
    box, field, said = QVBoxLayout(dialog), QLineEdit(), label("", "body", wrap=True)
    box.addWidget(field)
    box.addWidget(said)
    said.hide()
    dialog.setFixedWidth(200)
    dialog.show()
    qtbot.waitExposed(dialog)
    screen = dialog.screen().availableGeometry()
    dialog.move(100, screen.bottom() - dialog.frameGeometry().height())  # no room below
    height = field.height()
    said.setText("a sentence of several words that needs more than one line. " * 4)
    said.show()
    qtbot.waitUntil(lambda: said.height() >= said.heightForWidth(said.width()))
    assert field.height() == height
    assert dialog.frameGeometry().bottom() <= screen.bottom()
