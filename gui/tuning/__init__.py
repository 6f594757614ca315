"""The Tuning page: what is searched, over which ranges, and what it will take."""
