"""Rule outcomes of a job, whoever evaluated them."""
