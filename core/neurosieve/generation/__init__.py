"""From problems to traces of a model."""
