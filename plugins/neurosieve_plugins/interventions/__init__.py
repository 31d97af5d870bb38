"""Edits of neurons while the model runs."""
