"""Which n-grams one set of sentences uses more than another: weighted log odds with an informative Dirichlet prior."""

import numpy as np
import numpy.typing as npt

__all__ = ["weighted_log_odds"]

_Counts = npt.NDArray[np.integer] | npt.NDArray[np.float64]


def weighted_log_odds(
    first: _Counts, second: _Counts, first_total: int, second_total: int, prior: float | None = None
) -> npt.NDArray[np.float64]:
    r"""Return, per n-gram, the z-score of its log odds in the first set of sentences less those in the second.

    With y1 and y2 how often an n-gram occurs in each set, n1 and n2 how many words each set has, at each of which one
    may start, and the prior a = prior (y1 + y2) / (n1 + n2), which is what both sets together say of it:

        d = log((y1 + a) / (n1 + prior - y1 - a)) - log((y2 + a) / (n2 + prior - y2 - a))
        z = d / sqrt(1 / (y1 + a) + 1 / (y2 + a))

    By default the prior is worth as much as both sets together, prior = n1 + n2 and a = y1 + y2: it is what they are a
    sample of. With a prior that is much smaller, an n-gram that the second set lacks has a smaller z than one that is
    frequent in both: by how much its odds are higher would hardly be known.

    The variance takes each occurrence for independent, which occurrences of one document are not: z orders n-grams, it
    tests none. It is nan where both sets have no other n-gram.

    Source: Monroe, Colaresi and Quinn (2008), Fightin' Words: lexical feature selection and evaluation for identifying
    the content of political conflict, Political Analysis 16, equations 16, 20, 22 and 23; with counts of a corpus as
    the prior: Jurafsky, Chahuneau, Routledge and Smith (2014), Narrative framing of consumer sentiment in online
    restaurant reviews, First Monday 19.

    Args:
        first: occurrences in the first set, at least one in either set; `second` is those in the other.
        first_total: how many words the first set has; `second_total` is those of the other.
        prior: the size of the prior, in words.
    """
    prior = first_total + second_total if prior is None else prior
    expected = prior * (first + second) / (first_total + second_total)
    ours, theirs = first + expected, second + expected
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.log(ours / (first_total + prior - ours)) - np.log(theirs / (second_total + prior - theirs))
    return np.asarray(difference / np.sqrt(1 / ours + 1 / theirs), dtype=np.float64)
