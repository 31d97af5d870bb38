"""A language model as a judge: what it is asked, how, what it answered, and what is kept of that."""
