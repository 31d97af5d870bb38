"""`python -m neurosieve`."""

from neurosieve.cli import main

main()
