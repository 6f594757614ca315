"""What the application asks of a cloud, in values and interfaces that a second cloud could answer too."""
