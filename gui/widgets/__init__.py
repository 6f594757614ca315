"""Small widgets, each of which runs by itself."""
