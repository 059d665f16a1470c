"""How long workers take from nothing to their first job, beside plain handlers and the floor."""
