"""A data set of image files, decoded by worker processes as it is walked.

The augmentation of an image is seeded by a number of its own, drawn from (seed, epoch): batches do not
depend on how many workers make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from initlab.data.checks import reason
from initlab.data.epoch_rng import epoch_rng
from initlab.data.preprocessing import Preprocessing
from initlab.data.stream import Stream
from initlab.errors import DataError

Key = tuple[int, int | None]  # the index of an example and the seed of its augmentation
Sample = tuple[Tensor, int]


@dataclass(frozen=True)
class ImageFiles:
    """Image files and their labels.

    Args:
        paths: one file per example.
        labels: ``int64``, ``(N,)``.
        size: (width, height) that every file must have; None where the transform makes the size.
    """

    paths: Sequence[str | Path]
    labels: Tensor
    size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Tensor) -> ImageFiles:
        return ImageFiles([self.paths[i] for i in index.tolist()], self.labels[index], self.size)

    def read(self, index: int) -> Image.Image:
        """Decode one file, in colour.

        Raises:
            DataError: it is missing, damaged, or of another size.
        """
        path = Path(self.paths[index])
        try:
            with Image.open(path) as image:
                colour = image.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{path.absolute()} is no readable image ({reason(error)})") from error
        if self.size is not None and colour.size != self.size:
            (width, height), (right_width, right_height) = colour.size, self.size
            raise DataError(f"{path.absolute()} is {width}x{height}, not {right_width}x{right_height}")
        return colour


class Decoded(Dataset[Sample | DataError]):
    """Image files as ``uint8`` tensors ``(3, H, W)``, transformed.

    An error is returned, not raised: raised in a worker it would reach the user with the worker's
    traceback inside its message.
    """

    def __init__(self, files: ImageFiles, transform: Callable[[Image.Image], Tensor]) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: Key) -> Sample | DataError:
        index, seed = key
        try:
            image = self.files.read(index)
        except DataError as error:
            return error
        if seed is None:
            return self.transform(image), int(self.files.labels[index])
        with torch.random.fork_rng(devices=[]):  # torchvision's transforms draw from the global generator
            torch.default_generator.manual_seed(seed)
            return self.transform(image), int(self.files.labels[index])


def collate(samples: Sequence[Sample | DataError]) -> tuple[Tensor, Tensor] | DataError:
    """Stack samples into a batch, or pass on the first error."""
    images, labels = [], []
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
        images.append(sample[0])
        labels.append(sample[1])
    return torch.stack(images), torch.tensor(labels)


class Streamed(Stream):
    """A stream over image files.

    With a seed every epoch walks the files in an order of its own, each once, and seeds the transform of
    each; without one it walks them as listed. All random numbers come from (seed, epoch).

    Args:
        files: the examples.
        transform: from a PIL image to ``uint8`` ``(3, H, W)``; may draw from torch's global generator.
        batch_size: inputs per batch; the last batch may be smaller.
        preprocessing: from ``uint8`` to inputs, on the device.
        num_workers: decoding processes; 0 decodes in this one.
        device: where the batches go.
        seed: of order and augmentation; None for evaluation.
    """

    def __init__(
        self,
        files: ImageFiles,
        transform: Callable[[Image.Image], Tensor],
        batch_size: int,
        preprocessing: Preprocessing,
        num_workers: int,
        device: torch.device | str,
        seed: int | None = None,
    ) -> None:
        self.data = Decoded(files, transform)
        super().__init__(len(self.data), batch_size)
        self.num_workers = num_workers
        self.device, self.seed = torch.device(device), seed
        self.preprocessing = preprocessing.on(self.device)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        keys = self._keys()
        return self._walk([keys[self.rows(index)] or keys[:1] for index in range(len(self))])

    def _keys(self) -> list[Key]:
        count = len(self.data)
        if self.seed is None:
            return [(index, None) for index in range(count)]
        rng = epoch_rng(self.seed, self.epoch)
        order = torch.randperm(count, generator=rng.order).tolist()
        seeds = torch.randint(2**62, (count,), generator=rng.augmentation).tolist()
        return list(zip(order, seeds, strict=True))

    def _walk(self, batches: list[list[Key]]) -> Iterator[tuple[Tensor, Tensor]]:
        on_gpu = self.device.type == "cuda"
        loader: DataLoader[Any] = DataLoader(
            self.data,
            batch_sampler=batches,
            num_workers=self.num_workers,
            collate_fn=collate,
            pin_memory=on_gpu,
            generator=Generator(),  # else the loader draws a number from the global one
        )
        for index, batch in enumerate(loader):
            if isinstance(batch, DataError):
                raise batch
            size = len(range(self.count)[self.rows(index)])  # 0 of what was decoded for its shape alone
            stored, labels = (part[:size].to(self.device, non_blocking=on_gpu) for part in batch)
            yield self.preprocessing(stored), labels
