"""What one row stands for: a token, or all tokens of a sentence, a span, a whole text."""
