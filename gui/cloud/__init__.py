"""Everything about a cloud account: connection, endpoints, deploying, adopting."""
