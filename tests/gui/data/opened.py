"""What tests of the Data tab begin with."""


def open_and_wait(tab, qtbot, folder):
    tab.open_folder(folder)
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)
