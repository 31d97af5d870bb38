"""Statistics that add up, and the ranking that scorers make of them."""
