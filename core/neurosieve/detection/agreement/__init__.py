"""How far detectors, and annotators, agree on the same sentences."""
