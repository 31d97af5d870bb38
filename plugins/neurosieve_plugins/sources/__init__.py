"""Sources: where documents come from, one a file."""
