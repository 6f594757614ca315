"""Hyperparameter ranges, strategies and forecasts."""
