"""A user's whole job each, read from top to bottom; the Python API is these functions."""
