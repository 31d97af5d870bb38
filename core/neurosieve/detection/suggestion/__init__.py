"""Phrases that a detector misses, and what they are worth."""
