import torch
from hypothesis import example, given
from hypothesis import strategies as st

from initlab.data.split import held_out, stratified

SEEDS = st.integers(0, 2**31)


def assert_partition(kept, held, count):
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(count))


@given(count=st.integers(20, 3000), fraction=st.floats(0.05, 0.95), seed=SEEDS)
def test_the_share_held_out_and_the_rest_are_a_partition(count, fraction, seed):
    kept, held = held_out(count, fraction, seed)
    assert len(held) == round(count * fraction)
    assert_partition(kept, held, count)


def test_the_paper_sizes():
    for count, rest, share in ((50_000, 45_000, 5_000), (60_000, 54_000, 6_000)):
        kept, held = held_out(count, 0.1, 0)
        assert (len(kept), len(held)) == (rest, share)


@example(sizes=[1, 1, 1, 8], share=0.375, seed=0)  # a divisor rule gives the large class a whole one too many
@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6), share=st.floats(0.1, 0.9), seed=SEEDS)
def test_each_class_gives_its_share_to_within_one_example(sizes, share, seed):
    labels = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    size = min(max(round(share * len(labels)), 1), len(labels) - 1)
    kept, held = stratified(labels, size, seed)
    assert len(held) == size
    assert_partition(kept, held, len(labels))
    for label, count in enumerate(sizes):
        assert abs(int((labels[held] == label).sum()) - size * count / len(labels)) < 1


def test_the_seed_chooses_the_examples():
    labels = torch.arange(100) % 4
    for split in (lambda seed: held_out(100, 0.2, seed), lambda seed: stratified(labels, 20, seed)):
        assert torch.equal(split(0)[1], split(0)[1])
        assert not torch.equal(split(0)[1], split(1)[1])


def test_a_part_that_would_be_empty_is_refused(sentence):
    assert "too few" in sentence(lambda: held_out(4, 0.1, 0))
    assert "too few" in sentence(lambda: stratified(torch.zeros(4), 4, 0))
