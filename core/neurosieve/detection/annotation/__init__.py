"""Sentences for people to label: drawn by what detectors say of them, handed out without that, and read back."""
