from functools import reduce

import safetensors.torch
import torch

from neurosieve.scoring.rows import Rows, RowsState


def random_data(positions=20, neurons=4, behaviours=2):
    rng = torch.Generator().manual_seed(0)
    return torch.randn(positions, neurons, generator=rng), torch.randint(-1, 2, (positions, behaviours), generator=rng)


def test_rows_are_the_activations_themselves(batch_of):
    activations, labels = random_data()
    first, second = batch_of(activations[:7], labels[:7]), batch_of(activations[7:], labels[7:])
    state = reduce(Rows().update, (first, second), Rows().empty(2, 4))
    assert torch.equal(state.activations, activations)
    assert torch.equal(state.labels, labels.to(torch.int8))
    for name in ("documents", "groups", "token_ids"):
        assert torch.equal(getattr(state, name), torch.cat([getattr(first, name), getattr(second, name)]))


def test_the_compared_rows_are_those_with_a_label(batch_of):
    activations, labels = random_data()
    state = Rows().update(Rows().empty(2, 4), batch_of(activations, labels))
    for behaviour in range(2):
        present, control = state.compared(behaviour)
        assert torch.equal(present, activations[labels[:, behaviour] == 1])
        assert torch.equal(control, activations[labels[:, behaviour] == 0])


def test_shards_merge_to_what_one_pass_gives(batch_of):
    activations, labels = random_data()
    left = Rows().update(Rows().empty(2, 4), batch_of(activations[:7], labels[:7]))
    right = Rows().update(Rows().empty(2, 4), batch_of(activations[7:], labels[7:]))
    assert torch.equal(Rows().merge(left, right).activations, activations)
    assert torch.equal(Rows().merge(right, left).activations, torch.cat([activations[7:], activations[:7]]))


def test_nothing_added_changes_nothing(batch_of):
    activations, labels = random_data()
    state = Rows().update(Rows().empty(2, 4), batch_of(activations, labels))
    same = Rows().update(Rows().merge(Rows().empty(2, 4), state), batch_of(activations[:0], labels[:0]))
    same = Rows().merge(same, Rows().empty(2, 4))
    assert all(map(torch.equal, same, state))


def test_the_first_batch_is_not_copied(batch_of):
    activations, labels = random_data()
    state = Rows().update(Rows().empty(2, 4), batch_of(activations, labels))
    assert state.activations.data_ptr() == activations.data_ptr()


def test_the_batch_is_left_alone(batch_of):
    activations, labels = random_data()
    batch = batch_of(activations.clone(), labels)
    reduce(Rows().update, (batch, batch), Rows().empty(2, 4))
    assert torch.equal(batch.activations, activations)


def test_half_precision_is_kept_as_float32(batch_of):
    activations, labels = random_data()
    state = Rows().update(Rows().empty(2, 4), batch_of(activations.bfloat16(), labels))
    assert state.activations.dtype == torch.float32
    assert torch.equal(state.activations, activations.bfloat16().float())


def test_a_state_survives_storage(batch_of, tmp_path):
    state = Rows().update(Rows().empty(2, 4), batch_of(*random_data()))
    safetensors.torch.save_file(state._asdict(), tmp_path / "state.safetensors")
    loaded = RowsState(**safetensors.torch.load_file(tmp_path / "state.safetensors"))
    assert all(map(torch.equal, loaded, state))
