"""Chosen neurons on chosen texts."""
