"""How a dataset is divided into train, valid and test: shown, and changed, before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QGridLayout, QSpinBox, QWidget

from core.dataset.records import SPLITS, Scan
from core.settings import Settings, declared
from core.translation import tr
from gui.shared.basics import label, padded, set_invalid
from gui.shared.card import Card
from gui.shared.feedback import Banner
from gui.shared.field import excess, limited

SETTLE_MS = 250


class SplitCard(Card):
    """The shares of valid and test, and the seed.

    Signals:
        changed(): the user settled on other values.
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__(tr("Split"))
        self.valid = _percent(tr("Valid share"), settings.valid_percent, "valid_percent")
        self.test = _percent(tr("Test share"), settings.test_percent, "test_percent")
        self.seed = padded(QSpinBox())
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setValue(settings.split_seed)
        self.seed.setAccessibleName(tr("Split seed"))
        self.seed.setToolTip(declared("split_seed").description)
        self._fields = QWidget()
        grid = QGridLayout(self._fields)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(8)
        for column, (text, field) in enumerate(
            ((tr("Valid"), self.valid), (tr("Test"), self.test), (tr("Seed"), self.seed))
        ):
            caption = label(text, "caption")
            caption.setBuddy(field)
            field.setMinimumWidth(56)
            grid.addWidget(caption, 0, column)
            grid.addWidget(field, 1, column)
            grid.setColumnStretch(column, 1)
        self.add(self._fields)
        self._summary = label("", "muted", wrap=True)
        self.add(self._summary)
        self._notices = Banner(tone="running", icon_name="info")
        self._notices.hide()
        self.add(self._notices)
        # One split per pause, not one per key or wheel step.
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.changed)
        for field in (self.valid, self.test, self.seed):
            field.valueChanged.connect(self._on_edited)

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Return the shares of train, valid and test."""
        valid, test = self.valid.value() / 100, self.test.value() / 100
        return (1 - valid - test, valid, test)

    def set_scan(self, scan: Scan) -> None:
        """Offer only what can be chosen for this folder."""
        given = scan.splits
        self.valid.setEnabled("valid" not in given)
        self.test.setEnabled("test" not in given)
        self.seed.setEnabled(self.valid.isEnabled() or self.test.isEnabled())
        self._fields.setVisible(self.seed.isEnabled())  # where nothing can be chosen the classes have the room

    def set_result(self, counts: Mapping[str, int], notices: Sequence[str]) -> None:
        """Say what the split has become: pictures by split, and what was decided on the way."""
        counted = " · ".join(f"{split.capitalize()} {counts.get(split, 0):,}" for split in SPLITS)
        kept = [] if self.seed.isEnabled() else [tr("The folder has splits of its own; they are kept.")]
        self._summary.setText("\n".join([counted, *kept]))
        self._notices.set_text("\n".join(notices))

    def set_waiting(self, scanning: bool) -> None:
        """Show that there is no split yet."""
        self._summary.setText(tr("Ready as soon as the pictures are checked.") if scanning else "")
        self._notices.set_text("")

    def _on_edited(self) -> None:
        problems = [excess(field) for field in (self.valid, self.test)]
        for field, problem in zip((self.valid, self.test), problems, strict=True):
            set_invalid(field, problem is not None)
        first = next(filter(None, problems), None)
        if first is not None:
            self._settle.stop()
            self._summary.setText(str(first))
        else:
            self._settle.start()


def _percent(name: str, value: int, setting: str) -> QSpinBox:
    how = declared(setting)
    made = padded(QSpinBox())
    limited(made, int(how.low or 0), int(how.high or 100))
    made.setSuffix(how.suffix)
    made.setValue(value)
    made.setAccessibleName(name)
    made.setToolTip(how.description)
    return made
