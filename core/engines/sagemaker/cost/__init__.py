"""What jobs and endpoints cost: prices, forecasts, running cost."""
