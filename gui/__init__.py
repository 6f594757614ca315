"""The whole window: Qt only; what it shows it got from core."""
