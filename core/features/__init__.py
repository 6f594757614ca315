"""Frozen features seen from outside a job: those of a scanned dataset, and which pictures are near each other."""
