"""What was captured is found again, whole or not at all."""

import errno
import os
import resource
import shutil
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Site, StoreError
from neurosieve.activations.store import DamagedShardError, Space, document_keys
from neurosieve.models.sites import KINDS

SITES = (Site(0), Site(3))
NEURONS = 6
DOCUMENTS = document_keys([np.arange(length) for length in range(1, 9)])


def space(folder, fingerprint="weights", sites=SITES, dtype=torch.float32):
    return Space(fingerprint, sites, dtype, folder)


def rows(number=20, seed=0):
    """Different positions: their documents' keys and their tokens."""
    at = np.random.default_rng(seed).permutation(len(DOCUMENTS) * 50)[:number]
    return DOCUMENTS[at // 50], (at % 50).astype(np.int32)


def activations(number=20, dtype=torch.float32, seed=0, sites=SITES):
    generator = torch.Generator().manual_seed(seed)
    return {site: torch.randn(number, NEURONS, generator=generator).to(dtype) for site in sites}


def test_kinds_of_site_have_spaces_of_their_own_and_that_of_mlp_neurons_is_where_it_was_before_there_were_kinds(
    tmp_path,
):
    made = {kind: space(tmp_path, sites=[Site(0, kind), Site(3, kind)]) for kind in KINDS}
    assert len({one.address for one in made.values()}) == len(KINDS)
    assert made["mlp_post"].address == "d9dfc6de9e59c2da95156742"
    keys, tokens = rows()
    made["resid_post"].write(keys, tokens, activations(sites=made["resid_post"].sites))
    assert space(tmp_path, sites=made["resid_post"].sites).has(keys, tokens).all()
    assert not any(
        space(tmp_path, sites=made[kind].sites).has(keys, tokens).any() for kind in {*KINDS} - {"resid_post"}
    )
    with pytest.raises(ValueError, match="too many values"):
        space(tmp_path, sites=[Site(0), Site(3, "resid_post")])


def holds_nothing_else(folder):
    return all(path.name == "space.json" or path.suffix == ".safetensors" for path in folder.rglob("*.*"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("opened_again", [False, True])
def test_a_position_that_was_captured_is_found_from_any_order(tmp_path, dtype, opened_again):
    made, written = space(tmp_path, dtype=dtype), []
    for shard in range(3):
        keys, tokens = rows(60, seed=1)
        here = slice(20 * shard, 20 * shard + 20)
        values = activations(dtype=dtype, seed=shard)
        made.write(keys[here], tokens[here], values)
        written.append(values)
    made = space(tmp_path, dtype=dtype) if opened_again else made
    order = np.random.default_rng(0).permutation(60)[:45]
    for site in SITES:
        expected = torch.cat([values[site] for values in written]).float()[torch.from_numpy(order)]
        read = made.read(site, keys[order], tokens[order])
        assert read.dtype == torch.float32
        assert torch.equal(read, expected)


def test_positions_that_nobody_captured_are_missing(tmp_path):
    made = space(tmp_path)
    keys, tokens = rows(30)
    assert not made.has(keys, tokens).any()
    made.write(keys[:20], tokens[:20], activations())
    assert made.has(keys, tokens).tolist() == [True] * 20 + [False] * 10
    # Neither the document alone nor the token alone makes a position.
    assert not made.has(keys[:20], tokens[:20] + 1000).any()
    assert not made.has(document_keys([np.arange(99)] * 20), tokens[:20]).any()
    with pytest.raises(KeyError, match="10 positions were not captured"):
        made.read(SITES[0], keys, tokens)


@given(st.lists(st.lists(st.integers(0, 2**62), max_size=4), min_size=1, max_size=5))
def test_documents_have_one_address_exactly_where_their_tokens_are_the_same(documents):
    keys = [key.tobytes() for key in document_keys([np.array(ids, dtype=np.int64) for ids in documents])]
    for one, key in zip(documents, keys, strict=True):
        assert [other == key for other in keys] == [other == one for other in documents]


@pytest.mark.parametrize(
    "other",
    [{"fingerprint": "others"}, {"dtype": torch.bfloat16}, {"sites": (Site(0),)}, {"sites": (Site(3), Site(0))}],
)
def test_another_model_dtype_or_choice_of_sites_is_another_folder(tmp_path, other):
    made = space(tmp_path)
    keys, tokens = rows()
    made.write(keys, tokens, activations())
    assert space(tmp_path).address == made.address
    assert space(tmp_path, **other).address != made.address
    assert not space(tmp_path, **other).has(keys, tokens).any()


@pytest.fixture
def shard(tmp_path):
    """A space with one shard, on disk."""
    made = space(tmp_path)
    made.write(*rows(), activations())
    [path] = made.folder.glob("*.safetensors")
    return path


def flip(path, byte, bit=0):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def overwrite(path):
    """Make zeros of all the tensors of a shard."""
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(content[:header] + bytes(len(content) - header))


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.99])
def test_a_shard_that_was_cut_off_is_noticed_and_its_positions_are_captured_again(tmp_path, shard, kept):
    size = shard.stat().st_size
    os.truncate(shard, kept if isinstance(kept, int) else int(kept * size))
    made = space(tmp_path)
    assert made.damaged == 1
    assert not made.has(*rows()).any()
    assert not shard.exists()
    made.write(*rows(), activations())
    assert torch.equal(made.read(SITES[1], *rows()), activations()[SITES[1]])


@given(data=st.data())
def test_no_flipped_bit_goes_unnoticed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("store")
    made = space(folder)
    made.write(*rows(), activations())
    [path] = made.folder.glob("*.safetensors")
    flip(path, data.draw(st.integers(0, path.stat().st_size - 1)), data.draw(st.integers(0, 7)))
    opened = space(folder)
    for site in SITES:
        if opened.has(*rows()).all():
            try:
                assert torch.equal(opened.read(site, *rows()), activations()[site])
            except DamagedShardError:
                assert not opened.has(*rows()).any()


def test_a_shard_that_is_damaged_under_an_open_space_is_forgotten_and_captured_again(tmp_path):
    made = space(tmp_path)
    keys, tokens = rows(40)
    made.write(keys[:20], tokens[:20], activations(seed=0))
    [damaged] = made.folder.glob("*.safetensors")
    made.write(keys[20:], tokens[20:], activations(seed=1))
    overwrite(damaged)
    with pytest.raises(DamagedShardError):
        made.read(SITES[1], keys, tokens)
    assert made.damaged == 1
    assert made.has(keys, tokens).tolist() == [False] * 20 + [True] * 20
    made.write(keys[:20], tokens[:20], activations(seed=0))
    for site in SITES:
        expected = torch.cat([activations(seed=seed)[site] for seed in (0, 1)])
        assert torch.equal(made.read(site, keys, tokens), expected)


def test_a_shard_that_another_run_removed_counts_as_damaged(tmp_path, shard):
    made = space(tmp_path)
    shard.unlink()
    with pytest.raises(DamagedShardError):
        made.read(SITES[0], *rows())
    assert not made.has(*rows()).any()


@contextmanager
def no_file_longer_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_shard_that_cannot_be_written_to_its_end_leaves_nothing_behind(tmp_path):
    made = space(tmp_path)
    made.write(*rows(seed=1), activations(seed=1))
    keys, tokens = rows(2000, seed=0)[0][:400], np.arange(400, dtype=np.int32) + 1000
    with no_file_longer_than(4096), pytest.raises(StoreError, match=r"cannot write a shard .*MiB free.*store=<folder>"):
        made.write(keys, tokens, activations(400))
    assert holds_nothing_else(tmp_path)
    assert not made.has(keys, tokens).any()
    assert made.has(*rows(seed=1)).all()


def test_a_full_disk_ends_in_an_error_that_says_so_and_leaves_nothing_behind(tmp_path, monkeypatch):
    made = space(tmp_path)

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("neurosieve.activations.store.save_file", full)
    with pytest.raises(StoreError, match="No space left on device"):
        made.write(*rows(), activations())
    assert holds_nothing_else(tmp_path)
    assert not made.has(*rows()).any()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write the store .*choose another place with `store=<folder>`"):
        space(tmp_path / "file" / "store")


def test_two_runs_can_fill_one_folder_at_once(tmp_path):
    keys, tokens = rows(200)
    values = activations(200)

    def fill(start):
        made = space(tmp_path)
        for first in range(start, 200, 40):
            here = slice(first, first + 40)  # Both write every other block of 20.
            made.write(keys[here], tokens[here], {site: values[site][here] for site in SITES})

    threads = [threading.Thread(target=fill, args=(start,)) for start in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = space(tmp_path)
    assert made.damaged == 0
    assert holds_nothing_else(tmp_path)
    for site in SITES:
        assert torch.equal(made.read(site, keys, tokens), values[site])


def test_a_store_that_is_cleared_meanwhile_is_said_so(tmp_path):
    keys, tokens = rows(20)
    made = space(tmp_path)
    made.write(keys, tokens, activations(20))
    next(made.folder.glob("*.safetensors")).unlink()
    with pytest.raises(DamagedShardError):
        _ = made.neurons
    assert not made.has(keys, tokens).any()
    shutil.rmtree(made.folder)
    with pytest.raises(StoreError, match="cannot write a shard"):
        made.write(keys, tokens, activations(20))


def test_a_store_is_opened_while_others_open_it_for_the_first_time(tmp_path):
    found = []

    def opened(place, all_at_once):
        all_at_once.wait()
        found.append(space(place).address)

    for number in range(100):
        all_at_once = threading.Barrier(3)
        threads = [threading.Thread(target=opened, args=(tmp_path / str(number), all_at_once)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 300


def test_what_a_killed_run_left_half_written_is_cleared_but_not_what_another_writes_now(tmp_path):
    made = space(tmp_path)
    old, new = made.folder / ".old.part", made.folder / ".new.part"
    for path in (old, new):
        path.write_bytes(b"half a shard")
    os.utime(old, (time.time() - 7200,) * 2)
    made = space(tmp_path)
    assert not old.exists()
    assert new.exists()
    assert made.damaged == 0
