"""The shares of a batch make up the batch, augmented as it is in one process."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from initlab.data.augmentation import Augmentation
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples, Resident
from initlab.data.stream import Stream
from initlab.data.streamed import ImageFiles, Streamed


def resident(seed: int | None) -> Resident:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (23, 3, 8, 8), generator=rng, dtype=torch.uint8)
    augmentation = Augmentation(crop_flip=True, cutout=True, cutout_length=4) if seed is not None else None
    return Resident(Examples(images, torch.arange(23)), 7, Preprocessing(255.0), seed, augmentation)


@pytest.fixture
def streamed(tmp_path: Path) -> Streamed:
    rng = torch.Generator().manual_seed(0)
    paths = []
    for number in range(5):
        pixels = torch.randint(256, (8, 8, 3), generator=rng, dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        paths.append(tmp_path / f"{number}.png")
    transform = v2.Compose([v2.RandomCrop(6), v2.PILToTensor()])
    files = ImageFiles(paths, torch.arange(5))
    return Streamed(files, transform, 4, Preprocessing(255.0), 0, "cpu", seed=1)


def assert_shares_make_up(whole: Stream, of: int) -> None:
    whole.set_epoch(3)
    shares = [whole.share(rank, of) for rank in range(of)]
    batches: list[tuple[Tensor, Tensor]] = list(whole)  # type: ignore[call-overload]
    parts = [list(share) for share in shares]  # type: ignore[call-overload]
    assert {len(part) for part in parts} == {len(batches)}
    for index, (inputs, labels) in enumerate(batches):
        assert whole.size(index) == len(labels)
        for rank, part in enumerate(parts):
            assert torch.equal(part[index][0], inputs[rank::of])
            assert torch.equal(part[index][1], labels[rank::of])
    whole.set_epoch(5)  # control: the shares of one epoch are not those of another
    other = torch.cat([labels[::of] for _, labels in whole])  # type: ignore[attr-defined]
    assert not torch.equal(other, torch.cat([labels for _, labels in parts[0]]))


@given(of=st.integers(2, 9))
def test_the_shares_of_resident_batches_make_them_up(of: int) -> None:
    assert_shares_make_up(resident(seed=1), of)


def test_the_shares_of_an_evaluation_make_it_up() -> None:
    stream = resident(seed=None)
    parts = [[labels for _, labels in stream.share(rank, 3)] for rank in range(3)]
    for batch, labels in enumerate(part for _, part in stream):
        assert sorted(torch.cat([part[batch] for part in parts]).tolist()) == labels.tolist()


def test_the_shares_of_streamed_batches_make_them_up(streamed: Streamed) -> None:
    """The last batch has one file, so one of two processes gets none."""
    assert_shares_make_up(streamed, 2)
