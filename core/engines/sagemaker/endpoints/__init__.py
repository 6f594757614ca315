"""Deploy, invoke, watch over and delete endpoints."""
