"""Reports: what draws a finished run for people to look at."""
