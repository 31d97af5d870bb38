from neurosieve_shouting import MedianDifference, Shouting

from neurosieve.testing import check_detector, check_scorer


def test_shouting_keeps_its_contract() -> None:
    check_detector(Shouting())


def test_median_difference_keeps_its_contract() -> None:
    check_scorer(MedianDifference())
