"""The store: one SQLite file with jobs, metrics, events, rule outcomes, datasets and notes."""

from core.store.rows import INTERRUPTED
from core.store.store import Dataset, JobChanges, Store

__all__ = ["INTERRUPTED", "Dataset", "JobChanges", "Store"]
