"""What happens to the behaviour as neurons are edited, beside control neurons."""
