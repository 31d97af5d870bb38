"""Addresses and seeds stay as they are: stores that were written before are found, and draws are repeated."""

import torch

from neurosieve.disk import content_address
from neurosieve.generation.requests import request_seed
from neurosieve.models.splitmix import GOLDEN, mix64, signed
from neurosieve.texts.seeds import seed_of


def test_addresses_stay():
    assert content_address({"b": 1, "a": ["x"]}) == content_address({"a": ["x"], "b": 1}) == "c9dd71e8999044f3edb95cf5"


def test_seeds_stay():
    assert seed_of(0, "group") == 1338322550356546813
    assert request_seed(3, 1) == 11581911156533574


def test_the_random_bits_are_those_of_splitmix64():
    # The first numbers of the generator for the seed 1234567 (https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64).
    state = torch.tensor([signed(1234567 + step * (GOLDEN % 2**64)) for step in range(1, 6)])
    assert [value % 2**64 for value in mix64(state).tolist()] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
