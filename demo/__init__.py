"""A sample conversation, a generator for further ones, and small real models with their recipes."""
