"""What tests of the Data tab begin with."""


def open_and_wait(tab, qtbot, folder):
    tab.open_folder(folder)
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)


def do(tab, qtbot, action):
    """Do something that changes labels, and wait until it is kept and split."""
    with qtbot.waitSignal(tab.card.labels_changed):
        action()
    qtbot.waitUntil(lambda: tab.manifest is not None)
