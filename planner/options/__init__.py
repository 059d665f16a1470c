"""Every shape and strategy for given traffic, what to take, and why."""
