"""Groups of neurons: how the effect grows with their number, and the fewest that have half of it."""
