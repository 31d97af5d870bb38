"""Documents to spans, tokens and positions."""
