"""A whole search as one job: what it is asked for, its trials, and what it says of them."""
