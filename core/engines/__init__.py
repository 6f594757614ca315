"""Engines run jobs; see base.py."""
