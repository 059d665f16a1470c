"""Synthetic speech with exact references: sentences, voices, synthesis, conversations."""
