"""Folders of labelled pictures: scan, split, problems, manifest."""
