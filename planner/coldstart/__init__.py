"""How reliably, and how fast, an endpoint starts from nothing."""
