"""Where problems for a model to answer come from."""
