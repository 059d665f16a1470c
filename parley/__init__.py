"""What users of Parley import, and the `parley` command."""
