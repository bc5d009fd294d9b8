"""Crop, flip and cutout of whole batches, held to torchvision and to loops over images."""

import pytest
import torch
import torchvision.transforms.v2.functional as TF
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from initlab.data.augmentation import PADDING, Augmentation, crop_and_flip, hole
from initlab.errors import ConfigError

CPU = torch.device("cpu")
CELLS = 2 * (2 * PADDING + 1) ** 2


@given(
    seed=st.integers(0, 2**16),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    channels=st.integers(1, 3),
    padding=st.integers(0, 4),
)
def test_equals_pad_crop_and_flip_image_by_image(seed, height, width, channels, padding):
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (6, channels, height, width), generator=rng, dtype=torch.uint8)
    offsets = torch.randint(2 * padding + 1, (6, 2), generator=rng)
    flips = torch.rand(6, generator=rng) < 0.5
    ours = crop_and_flip(images, offsets, flips, padding)
    for image, (top, left), flip, result in zip(images, offsets.tolist(), flips, ours, strict=True):
        cropped = TF.crop(TF.pad(image, [padding]), top, left, height, width)
        assert torch.equal(result, TF.horizontal_flip(cropped) if flip else cropped)


def where_from(images):
    """Number the crop and flip of images whose two channels hold each pixel's row and column."""
    rows, columns = images[:, 0, 16, 16].long(), images[:, 1, 16, 16].long()
    flipped = images[:, 1, 16, 15].long() > columns
    left = torch.where(flipped, columns - 15, columns - 16) + PADDING
    return ((rows - 16 + PADDING) * (2 * PADDING + 1) + left) * 2 + flipped.long()


def chi_square(ours, theirs):
    """Two-sample statistic of two histograms of as many samples."""
    a, b = (torch.bincount(cells, minlength=CELLS).double() for cells in (ours, theirs))
    return float(((a - b) ** 2 / (a + b).clamp(min=1)).sum())


def test_crops_and_flips_have_torchvisions_distribution(rng):
    count = 4000
    side = torch.arange(32, dtype=torch.uint8)
    image = torch.stack([side[:, None].expand(32, 32), side.expand(32, 32)])
    oracle = v2.Compose([v2.RandomCrop(32, padding=PADDING), v2.RandomHorizontalFlip()])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = where_from(torch.stack([oracle(image) for _ in range(count)]))
    augmentation = Augmentation(crop_flip=True)
    images = image.expand(count, -1, -1, -1)
    draws = augmentation.draw(count, 32, 32, rng, CPU)
    ours = where_from(augmentation.move(images, draws))
    bound = (CELLS - 1) + 5 * (2 * (CELLS - 1)) ** 0.5  # 5 standard deviations of the statistic
    assert chi_square(ours, theirs) < bound
    unflipped = where_from(crop_and_flip(images, draws.offsets, draws.flips & False))
    assert chi_square(unflipped, theirs) > bound
    low = where_from(crop_and_flip(images, draws.offsets.clamp(max=2 * PADDING - 1), draws.flips))
    assert chi_square(low, theirs) > bound


def test_flips_half_of_the_images(rng):
    flips = Augmentation(crop_flip=True).draw(40_000, 32, 32, rng, CPU).flips
    assert abs(float(flips.float().mean()) - 0.5) < 5 * (0.25 / 40_000) ** 0.5


def all_centres(side):
    return torch.cartesian_prod(torch.arange(side), torch.arange(side))


def test_the_hole_hides_exactly_the_published_fractions():
    fractions = hole(all_centres(32), 16, 32, 32).double().mean((1, 2, 3))
    assert fractions.mean() == 0.19140625
    assert fractions.min() == 0.0625
    assert fractions.max() == 0.25


@pytest.mark.parametrize("length", [1, 2, 5, 8, 40])
def test_the_hole_is_the_clipped_square_around_its_centre(length):
    centres = all_centres(9)
    oracle = torch.zeros(len(centres), 1, 9, 9, dtype=torch.bool)
    for mask, (row, column) in zip(oracle, centres.tolist(), strict=True):
        top, left = row - length // 2, column - length // 2
        mask[:, max(top, 0) : max(top + length, 0), max(left, 0) : max(left + length, 0)] = True
    assert torch.equal(hole(centres, length, 9, 9), oracle)


def test_the_centre_of_the_hole_is_uniform_over_the_pixels(rng):
    centres = Augmentation(cutout=True).draw(64_000, 8, 4, rng, CPU).centres
    counts = torch.bincount(centres[:, 0] * 4 + centres[:, 1], minlength=32).double()
    assert len(counts) == 32
    assert float(((counts - 2000) ** 2 / 2000).sum()) < 31 + 5 * 62**0.5


def test_cutout_zeroes_the_hole_and_nothing_else(rng):
    augmentation = Augmentation(cutout=True, cutout_length=4)
    draws = augmentation.draw(50, 8, 8, rng, CPU)
    inputs = torch.rand(50, 3, 8, 8, generator=rng) + 1
    hidden = augmentation.hide_(inputs.clone(), draws)
    mask = hole(draws.centres, 4, 8, 8).expand_as(inputs)
    assert torch.equal(hidden == 0, mask)
    assert torch.equal(hidden[~mask], inputs[~mask])


def test_switching_cutout_on_moves_no_crop():
    one, other = (
        Augmentation(crop_flip=True, cutout=cutout).draw(9, 8, 8, torch.Generator().manual_seed(1), CPU)
        for cutout in (False, True)
    )
    assert torch.equal(one.offsets, other.offsets)
    assert torch.equal(one.flips, other.flips)


@pytest.mark.parametrize("length", [0, -1, 1.5])
def test_a_hole_has_a_positive_side(length, sentence):
    assert "data.cutout_length=" in sentence(
        lambda: Augmentation(cutout=True, cutout_length=length), ConfigError
    )
