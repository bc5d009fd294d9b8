import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initlab.data.augmentation import Augmentation, hole
from initlab.data.epoch_rng import epoch_rng
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples, Resident

PLAIN = Preprocessing()
ALL = Augmentation(crop_flip=True, cutout=True, cutout_length=4)


def numbered(count):
    return Examples(torch.arange(count, dtype=torch.float32)[:, None], torch.arange(count))


def images(count, rng):
    return Examples(
        torch.randint(1, 256, (count, 3, 8, 8), generator=rng, dtype=torch.uint8), torch.arange(count)
    )


@given(
    count=st.integers(1, 70), batch=st.integers(1, 80), seed=st.integers(0, 2**16), epoch=st.integers(0, 99)
)
def test_every_example_comes_once_per_epoch_with_its_label(count, batch, seed, epoch):
    stream = Resident(numbered(count), batch, PLAIN, seed)
    stream.set_epoch(epoch)
    batches = list(stream)
    assert len(batches) == len(stream)
    assert [len(labels) for _, labels in batches[:-1]] == [batch] * (len(stream) - 1)
    assert torch.equal(
        torch.cat([x for x, _ in batches]).flatten().long(), torch.cat([y for _, y in batches])
    )
    assert torch.equal(torch.cat([y for _, y in batches]).sort().values, torch.arange(count))


def test_without_a_seed_the_examples_come_as_they_lie():
    stream = Resident(numbered(10), 4, PLAIN)
    for epoch in (0, 1):
        stream.set_epoch(epoch)
        assert torch.cat([labels for _, labels in stream]).tolist() == list(range(10))


def test_the_order_is_shuffled_anew_in_every_epoch():
    stream = Resident(numbered(50), 50, PLAIN, seed=0)
    orders = set()
    for epoch in range(20):
        stream.set_epoch(epoch)
        orders.add(tuple(next(iter(stream))[1].tolist()))
    assert len(orders) == 20


def test_a_batch_depends_on_its_place_and_not_on_what_was_walked_before(rng):
    examples = images(20, rng)
    stream = Resident(examples, 6, PLAIN, seed=1, augmentation=ALL)
    whole = list(stream)
    half = iter(stream)
    next(half)
    stream.set_epoch(7)  # a walk that has begun keeps its epoch
    rest = list(half)
    stream.set_epoch(0)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(whole[1:], rest, strict=True))
    both = zip(whole, zip(iter(stream), iter(stream), strict=True), strict=True)
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[0], c[0]) for a, (b, c) in both)


def test_augmentation_does_not_change_the_order(rng):
    examples = images(20, rng)
    labels = [
        torch.cat([y for _, y in Resident(examples, 6, PLAIN, 1, augmentation)])
        for augmentation in (None, ALL, Augmentation(crop_flip=True))
    ]
    assert torch.equal(labels[0], labels[1])
    assert torch.equal(labels[0], labels[2])


def test_the_hole_is_cut_after_normalization(rng):
    examples = images(30, rng)
    shifted = Preprocessing(255.0, (0.0,), (1.0,))
    cutout = Augmentation(cutout=True, cutout_length=4)
    stream = Resident(examples, 30, Preprocessing(255.0, (2.0,), (1.0,)), 5, cutout)
    inputs, labels = next(iter(stream))
    centres = cutout.draw(30, 8, 8, epoch_rng(5, 0).augmentation, torch.device("cpu")).centres
    mask = hole(centres, 4, 8, 8).expand_as(inputs)
    assert bool((inputs[mask] == 0).all())
    assert torch.equal(inputs[~mask], (shifted(examples.inputs[labels]) - 2)[~mask])


def test_a_crop_shows_black_pixels_outside_the_image(rng):
    examples = Examples(torch.full((200, 1, 8, 8), 255, dtype=torch.uint8), torch.zeros(200).long())
    stream = Resident(examples, 200, Preprocessing(255.0, (0.5,), (0.5,)), 0, Augmentation(crop_flip=True))
    inputs, _ = next(iter(stream))
    assert inputs.unique().tolist() == [-1.0, 1.0]
    shown = (inputs > 0).double().mean()
    assert (
        abs(float(shown) - (1 - 20 / 72) ** 2) < 0.05
    )  # mean of (8 - |offset|) / 8, offset uniform on -4..4


@pytest.mark.gpu
def test_the_batches_on_a_gpu_are_those_on_the_cpu(rng):
    examples = images(50, rng)
    preprocessing = Preprocessing(255.0, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    here = Resident(examples, 16, preprocessing, 3, ALL)
    there = Resident(examples.to("cuda"), 16, preprocessing, 3, ALL)
    for (x, y), (x_gpu, y_gpu) in zip(here, there, strict=True):
        assert x_gpu.device.type == "cuda"
        assert torch.equal(y, y_gpu.cpu())
        torch.testing.assert_close(x, x_gpu.cpu(), rtol=1e-6, atol=1e-6)
