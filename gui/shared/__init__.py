"""What several pages use: theme, icons, small widgets, formatting."""
