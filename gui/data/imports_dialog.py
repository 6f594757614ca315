"""What archives and S3 have left in Sagehound's folder and nothing uses: told, and removed where that is wished."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from core.errors import UserFacingError
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.shared.dialogs import Decision, Option, error_dialog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.formats.imported import Imported

_SHOWN = 8


def ask_about_imports(parent: QWidget, workbench: Workbench, bridge: Bridge, say: Callable[[str], None]) -> None:
    """Look for imports that nothing uses and offer to remove them; `say` hears what came of it."""

    def removed(gone: Sequence[Imported]) -> None:
        megabytes = f"{sum(one.size for one in gone) / 1e6:,.1f}"
        say(tr("{megabytes} MB that nothing used are removed.").format(megabytes=megabytes))

    def failed(error: UserFacingError) -> None:
        error_dialog(parent, error).ask()

    def answered(answer: str) -> None:
        if answer == "remove":
            bridge.run(lambda on_progress, cancel: workbench.folders.remove_unused_imports(), removed, failed)

    def looked(found: Sequence[Imported]) -> None:
        unused = [one for one in found if not one.used_by]
        if not unused:
            say(tr("Nothing that was unpacked or fetched is unused."))
            return
        title = plural(
            "{count} dataset was unpacked or fetched and is used by nothing",
            "{count} datasets were unpacked or fetched and are used by nothing",
            len(unused),
        ).format(count=len(unused))
        lines = [
            tr("{name}: {megabytes} MB").format(name=one.name, megabytes=f"{one.size / 1e6:,.1f}")
            for one in unused[:_SHOWN]
        ]
        lines.append(tr("No job learned from them and nothing in them was labelled. What they came from stays."))
        options = [Option("cancel", tr("Keep")), Option("remove", tr("Remove"), "primary")]
        Decision(parent, title, lines, options, "folder").ask(answered)

    bridge.run(lambda on_progress, cancel: workbench.folders.imports(), looked, failed)
