"""Bring a job about: definition, containers, source, and what AWS recorded of it."""
