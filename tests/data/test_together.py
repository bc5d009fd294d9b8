"""Streams walked side by side give what each gives alone."""

import pytest
import torch

from initlab.data.augmentation import Augmentation
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples, Resident
from initlab.data.together import Together


def streams(seeds, augmentation):
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (50, 3, 8, 8), dtype=torch.uint8, generator=rng)
    examples = Examples(images, torch.arange(50))
    first = Resident(examples, 16, Preprocessing(255.0), seeds[0], augmentation)
    return [first.reseeded(seed) for seed in seeds]


@pytest.mark.parametrize("augmentation", [None, Augmentation(crop_flip=True, cutout=True, cutout_length=3)])
def test_every_stream_gives_the_batches_that_it_gives_alone(augmentation):
    alone = streams([3, 5, 8], augmentation)
    together = Together(streams([3, 5, 8], augmentation))
    assert len(together) == len(alone[0]) == 4
    for epoch in (0, 2):
        together.set_epoch(epoch)
        for stream in alone:
            stream.set_epoch(epoch)
        for index, batches in enumerate(zip(*alone, strict=True)):
            inputs, labels = together.batch(index)
            for row, (expected_inputs, expected_labels) in enumerate(batches):
                assert torch.equal(inputs[row], expected_inputs)
                assert torch.equal(labels[row], expected_labels)
            assert not torch.equal(labels[0], labels[1])  # control: the seeds matter


def test_those_that_are_kept_go_on_within_the_epoch():
    together = Together(streams([3, 5, 8], Augmentation(crop_flip=True)))
    together.set_epoch(0)
    inputs, labels = together.batch(1)
    together.keep([0, 2])
    kept_inputs, kept_labels = together.batch(1)
    assert torch.equal(kept_inputs, inputs[[0, 2]])
    assert torch.equal(kept_labels, labels[[0, 2]])
    together.set_epoch(1)
    assert together.batch(0)[1].shape == (2, 16)


def test_the_streams_share_their_examples():
    first, second = streams([0, 1], None)
    assert first.examples.inputs is second.examples.inputs
