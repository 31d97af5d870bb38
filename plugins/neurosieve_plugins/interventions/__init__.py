"""What can be done to neurons while the model runs."""
