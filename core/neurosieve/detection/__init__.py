"""Where behaviours show in texts, without a model; and detectors that learn it."""
