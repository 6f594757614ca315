"""Icons, themes, the sample dataset and the dated price snapshot, found through importlib.resources."""
