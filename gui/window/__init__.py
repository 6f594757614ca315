"""The main window: rail, status bar, menu, drops, start and end."""
