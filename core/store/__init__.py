"""The store: one SQLite file with jobs, metrics, events, rule outcomes, datasets and notes."""

from core.store.job_records import JobChanges
from core.store.rows import INTERRUPTED
from core.store.store import Dataset, Store

__all__ = ["INTERRUPTED", "Dataset", "JobChanges", "Store"]
