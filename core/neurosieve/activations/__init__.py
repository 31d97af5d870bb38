"""Captured activations: reading them, and keeping them on disk."""
