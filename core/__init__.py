"""What Sagehound knows and does. Imports no Qt, ever."""
