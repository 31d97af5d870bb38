"""Embeddings of sentences: which model, and what it gives."""
