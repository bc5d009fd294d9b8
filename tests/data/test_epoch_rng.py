import torch
from hypothesis import given
from hypothesis import strategies as st

from initlab.data.epoch_rng import epoch_rng

SEEDS = st.integers(0, 2**32)
EPOCHS = st.integers(0, 1000)


def numbers(rng):
    return torch.randint(2**62, (4,), generator=rng).tolist()


@given(seed=SEEDS, epoch=EPOCHS)
def test_the_same_seed_and_epoch_give_the_same_numbers(seed, epoch):
    one, other = epoch_rng(seed, epoch), epoch_rng(seed, epoch)
    assert numbers(one.order) == numbers(other.order)
    assert numbers(one.augmentation) == numbers(other.augmentation)


@given(seed=SEEDS, epoch=EPOCHS)
def test_order_and_augmentation_are_drawn_apart(seed, epoch):
    one, other = epoch_rng(seed, epoch), epoch_rng(seed, epoch)
    numbers(one.order)
    assert numbers(one.augmentation) == numbers(other.augmentation)
    assert numbers(epoch_rng(seed, epoch).order) != numbers(epoch_rng(seed, epoch).augmentation)


def test_seeds_and_epochs_do_not_overlap():
    first = [tuple(numbers(epoch_rng(seed, epoch).order)) for seed in range(30) for epoch in range(30)]
    assert len(set(first)) == 900


def test_the_first_order_of_seed_0_is_what_it_always_was():
    # another order would change the numbers of every run: numpy and torch keep these streams fixed
    assert torch.randperm(8, generator=epoch_rng(0, 0).order).tolist() == [3, 2, 5, 1, 7, 4, 6, 0]
