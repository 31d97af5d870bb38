"""Detectors: where in a text a behaviour shows, one a file."""
