"""Measurements: every number that the README claims, each remade by one command."""
