"""How the demo's models are made: one command each."""
