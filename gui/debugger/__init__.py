"""The Debugger page: what the rules say, the tensors, and where the time went."""
