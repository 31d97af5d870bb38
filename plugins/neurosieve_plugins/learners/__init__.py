"""Learners: what makes a detector of annotated documents, one a file."""
