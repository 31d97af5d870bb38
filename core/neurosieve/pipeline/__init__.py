"""`find` in order, and what goes on from a finished run."""
