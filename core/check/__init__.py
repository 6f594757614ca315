"""What may be wrong with a dataset's pictures and labels: findings with their evidence and a remedy that can be undone."""
