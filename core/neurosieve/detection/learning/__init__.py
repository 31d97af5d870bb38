"""Detectors that are trained from annotations."""
