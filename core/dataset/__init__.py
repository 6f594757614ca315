"""Folders of labelled pictures: scan, split, problems, manifest."""

from core.dataset.manifest import Entry, Manifest
from core.dataset.records import Picture, Problem, Scan, Severity
from core.dataset.sample import sample_path
from core.dataset.scanner import scan
from core.dataset.splitter import split
from core.dataset.thumbnails import thumbnail

__all__ = ["Entry", "Manifest", "Picture", "Problem", "Scan", "Severity", "sample_path", "scan", "split", "thumbnail"]
