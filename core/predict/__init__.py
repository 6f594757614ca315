"""From a picture to its class."""
