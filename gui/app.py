"""Start the window. Nothing of Qt is imported before it is known that it can work."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UserFacingError
from core.paths import AppPaths, keep_private
from core.translation import tr
from gui.window import display_check

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

THUMBNAIL_CACHE_KB = 96 * 1024
CLOSE_SECONDS = 5.0


def run(argv: Sequence[str]) -> int:
    """Open the window and return its exit status: 0, or 1 when it cannot be opened and stderr says why.

    Args:
        argv: perhaps the word "gui", then perhaps folders, which are opened as one dataset.
    """
    keep_private()
    try:
        display_check.check()
    except UserFacingError as error:
        print(f"sagehound: {error}", file=sys.stderr)
        return 1
    gc.disable()  # nothing of the start is garbage; Garbage takes over with the event loop
    # Before Qt: PySide6 reads the source of every module that is imported after it.
    import core.dataset
    import core.store
    import core.workbench  # noqa: F401

    try:
        from PySide6.QtWidgets import QApplication
    except ImportError as error:
        print(
            tr("sagehound: Qt cannot be loaded: {error}. Install the library that it names.").format(error=error),
            file=sys.stderr,
        )
        return 1
    from gui.shared.icons import app_icon

    app = QApplication(["sagehound"])
    app.setApplicationName(tr("Sagehound"))
    app.setDesktopFileName("sagehound")
    app.setWindowIcon(app_icon())
    return _run_window(app, argv)


def _run_window(app: QApplication, argv: Sequence[str]) -> int:
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QPixmapCache

    from core.workbench import Workbench
    from gui.bridge import Bridge
    from gui.shared.dialogs import error_dialog
    from gui.shared.focus_ring import FocusRing
    from gui.shared.theme import Theme
    from gui.window.crash_record import CrashRecord
    from gui.window.exception_hook import ExceptionHook, start_log, stop_log
    from gui.window.garbage import Garbage
    from gui.window.main_window import MainWindow
    from gui.window.unix_signals import QuitSignals

    QPixmapCache.setCacheLimit(THUMBNAIL_CACHE_KB)
    theme = Theme(app)
    FocusRing(app)
    try:
        workbench = Workbench(AppPaths.default())
    except UserFacingError as error:
        print(f"sagehound: {error}", file=sys.stderr)
        error_dialog(None, error).exec()
        return 1
    theme.choose(workbench.settings.current.theme)  # type: ignore[arg-type]
    theme.set_text_percent(workbench.settings.current.text_percent)
    handler, crashes = start_log(workbench.paths.logs), CrashRecord(workbench.paths.logs, os.getpid())
    funnel, bridge = ExceptionHook(), Bridge()
    funnel.install()
    try:
        with theme.undressed():
            window = MainWindow(workbench, bridge, theme)
    except Exception as error:
        funnel.handle(type(error), error, error.__traceback__)
        failure = UserFacingError(
            tr("The window cannot be opened."),
            f"{type(error).__name__}: {error}.",
            tr("{file} has the details; please report them.").format(file=workbench.paths.logs / "window.log"),
        )
        print(f"sagehound: {failure}", file=sys.stderr)
        error_dialog(None, failure).exec()
        bridge.close(CLOSE_SECONDS)
        return 1
    funnel.defect.connect(window.show_defect)
    window.show()
    QTimer.singleShot(0, window, window.start)
    folders = [Path(argument) for argument in (argv[1:] if argv[:1] == ["gui"] else argv)]
    if folders:
        QTimer.singleShot(0, window, lambda: window.pages.open_datasets(folders))
    for notice in filter(None, (workbench.settings.problem, crashes.notice)):
        window.toasts.show(notice, "warning", stays=True)
    signals, garbage = QuitSignals(window.quit_quietly), Garbage()
    garbage.start()
    status = app.exec()
    garbage.stop()
    signals.remove()
    window.deleteLater()
    ended = bridge.close(CLOSE_SECONDS)
    workbench.close()
    funnel.remove()
    stop_log(handler)
    crashes.close()
    if not ended:
        # A thread that waits for a network or a disk must not keep a closed application alive.
        sys.stderr.flush()
        os._exit(status)
    return status
