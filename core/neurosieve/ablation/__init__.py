"""The effect of edits of neurons on a behaviour, compared with control neurons."""
