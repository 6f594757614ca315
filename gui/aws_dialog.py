"""What connecting to AWS means, before anything is sent; and which profile and region to use when it is."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from PySide6.QtWidgets import QComboBox, QDialog, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.settings import SettingsFile
from gui.theme import GRID
from gui.widgets.basics import button, label
from gui.widgets.card import Card
from gui.widgets.feedback import IconLabel, InlineError

_WHAT_IT_DOES = (
    ("check-circle", "Your credentials stay where they are. Sagehound uses the AWS default chain or a named profile."),
    ("upload", "A dataset is uploaded to an S3 bucket of yours when you start a job on it, not before."),
    ("chip", "Tuning jobs, training jobs and endpoints run on instances in your account, and AWS bills you for them."),
    ("info", "The price is shown before anything that costs money starts, and what still runs is always in sight."),
)


class AwsDialog(QDialog):
    """Explains, and remembers profile and region. It sends nothing."""

    def __init__(self, parent: QWidget | None, file: SettingsFile) -> None:
        super().__init__(parent)
        self.setWindowTitle("Connect to AWS")
        self.setModal(True)
        self._file = file
        self.profile = QComboBox()
        self.profile.setEditable(True)
        self.profile.setAccessibleName("AWS profile")
        self.profile.addItem("")
        self.profile.addItems(aws_profiles())
        self.profile.setCurrentText(file.current.aws_profile)
        line = self.profile.lineEdit()
        assert line is not None
        line.setPlaceholderText("Default credentials")
        self.region = QLineEdit(file.current.aws_region)
        self.region.setPlaceholderText("Region of the profile")
        self.region.setAccessibleName("AWS region")
        self._error = InlineError()
        self.save = button("Use SageMaker", icon_name="cloud", kind="primary")
        self.save.clicked.connect(self._on_save)
        later = button("Not now", kind="ghost")
        later.clicked.connect(self.reject)
        self._note = label("", "muted", wrap=True)
        self._build(later)
        if not sagemaker_is_here():
            self.save.setEnabled(False)
            self._note.setText("So far the command line alone runs jobs there: sagehound tune --engine sagemaker.")
        else:
            self._note.setText("The engine changes with the next start. Nothing is sent until you start a job.")

    def _build(self, later: QWidget) -> None:
        card = Card("What it does")
        for icon_name, sentence in _WHAT_IT_DOES:
            line = QHBoxLayout()
            line.setSpacing(12)
            line.addWidget(IconLabel(icon_name, 20, "accent"))
            line.addWidget(label(sentence, "body", wrap=True), 1)
            card.body.addLayout(line)
        form = QGridLayout()
        form.setHorizontalSpacing(GRID)
        for column, (text, field) in enumerate((("Profile", self.profile), ("Region", self.region))):
            form.addWidget(label(text, "caption"), 0, column)
            form.addWidget(field, 1, column)
            form.setColumnStretch(column, 1)
        bar = QHBoxLayout()
        bar.setSpacing(GRID)
        bar.addStretch(1)
        bar.addWidget(later)
        bar.addWidget(self.save)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label("Run jobs on Amazon SageMaker", "title"))
        box.addWidget(label("The tabs, the words and the files stay the same. Only the computer is another.", "muted"))
        box.addWidget(card)
        box.addLayout(form)
        box.addWidget(self._note)
        box.addWidget(self._error)
        box.addLayout(bar)
        self.setMinimumWidth(560)

    def _on_save(self) -> None:
        try:
            self._file.change(
                engine="sagemaker",
                aws_profile=self.profile.currentText().strip(),
                aws_region=self.region.text().strip(),
            )
        except UserFacingError as error:
            self._error.show_error(error)
            return
        self.accept()


def aws_profiles() -> list[str]:
    """The names of the profiles in the AWS configuration of this user; no secret is read into anything kept."""
    names: set[str] = set()
    for variable, default in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        file = Path(os.environ.get(variable) or Path.home() / ".aws" / default).expanduser()
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        names.update(section.removeprefix("profile ").strip() for section in parser.sections())
    return sorted(name for name in names if not name.startswith(("sso-session", "services")))


def sagemaker_is_here() -> bool:
    """Whether the window can start jobs on SageMaker; so far only the command line does."""
    return False
