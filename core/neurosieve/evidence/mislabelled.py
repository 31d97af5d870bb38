"""What mistakes of the labels do to the score of a neuron."""

__all__ = ["seen_auc"]


def seen_auc(auc: float, precision: float, false_omission: float) -> float:
    """Return the AUC that is seen of a neuron, where labels have mistakes.

    The AUC is the chance that the neuron fires more at a present unit than at a control. Let S be a unit that shows the
    behaviour and N one that does not; between S and N the chance is A, the AUC against clean labels, and between two
    units of one kind it is 1/2. Of present units, the share p (precision) is S. Of controls, drawn from what the
    detector does not mark, the share c (false omission) is S. Where mistakes are independent of the neuron, the four
    pairs of present unit and control have the chances
        S, N: p (1 - c), in which the present unit fires more with A;
        N, S: (1 - p) c, with 1 - A;
        S, S: p c, and N, N: (1 - p) (1 - c), with 1/2.
    Their sum is 1/2 + (p - c) (A - 1/2): the effect shrinks by the factor p - c, the markedness of the labels. It
    holds for any scores without ties, and with ties that count as one half.

    A neuron whose firing goes along with the mistakes, such as one that fires at the very words of the detector, is
    seen with another AUC.

    >>> round(seen_auc(0.9, precision=0.83, false_omission=0.11), 3)
    0.788
    """
    return 0.5 + (precision - false_omission) * (auc - 0.5)
