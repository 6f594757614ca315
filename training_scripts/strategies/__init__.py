"""How a search chooses: what to try next, when a trial or the whole of it is to end. No torch here."""
