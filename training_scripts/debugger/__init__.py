"""Debugger inside a job: the hook, the rules and the watcher that evaluates them."""
