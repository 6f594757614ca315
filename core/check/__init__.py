"""What may be wrong with pictures and labels: findings with their evidence, and remedies that can be undone."""
