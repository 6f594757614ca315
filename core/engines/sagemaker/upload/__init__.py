"""Bring a dataset version to S3."""
