"""The Data page: open a folder of pictures, look at it, and choose it."""
