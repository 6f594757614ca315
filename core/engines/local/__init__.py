"""The embedded local engine: plain processes on plain folders."""
