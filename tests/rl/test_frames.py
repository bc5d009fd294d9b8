"""Frames of random play as the batch that an init or a diagnostic sees."""

import torch

from playing import needs_rl


@needs_rl
def test_a_batch_has_as_many_frames_as_asked_and_is_that_of_its_seed():
    from initlab.rl.frames import Frames
    from initlab.rl.options import Options

    source = Frames(Options("ALE/Pong-v5"))
    assert (source.input_shape, source.num_classes) == ((4, 84, 84), 7)
    batches = [next(iter(source.loaders(10, seed).train)) for seed in (0, 0, 1)]
    inputs, labels = batches[0]
    assert (inputs.shape, labels.shape) == ((10, 4, 84, 84), (10,))
    assert labels.max() < 6
    assert len(torch.unique(inputs, dim=0)) > 5
    assert torch.equal(inputs, batches[1][0])
    assert not torch.equal(inputs, batches[2][0])
