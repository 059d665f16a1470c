"""Who asks, when, for how much: logs, profiles, and what they have in common."""
