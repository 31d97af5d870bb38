"""Detectors made of detectors, one a file: any of them, all of them, one without another, near or after another.

What a part nearly finds, or cannot tell, is *unknown*: it may be the behaviour. What becomes of it follows the strong
logic of Kleene, where `no` < `unknown` < `yes`: "and" is the least of several, "or" the greatest, and "not" swaps `yes`
and `no`. So a span is yielded where it counts whatever the unknown turns out to be, and is a near-miss where it depends
on that. A span of `without` that overlaps something that its excluded part nearly finds is a near-miss: it is not
yielded, and no control is taken there. As in a run, what is nearly found and overlaps what the same detector finds is
left out.
"""
