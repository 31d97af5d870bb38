"""Loading a model, and reading its sites with hooks."""
