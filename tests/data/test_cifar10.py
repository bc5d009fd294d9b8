import os
import shutil

import numpy as np
import pytest
import torch
from torchvision import datasets

from initlab.data.cifar10 import Cifar10


def test_reads_every_image_of_the_pickles_once(cifar10_root):
    parts = Cifar10(root=cifar10_root).parts
    assert [len(part) for part in parts] == [90, 10, 20]
    numbers = [part.inputs[:, 0, 0, 0].tolist() for part in parts]
    assert sorted(numbers[0] + numbers[1]) == list(range(100))
    assert numbers[2] == list(range(100, 120))
    for part in parts:
        assert torch.equal(part.labels, part.inputs[:, 0, 0, 0].long() % 20 % 10)


def test_a_batch_is_what_torchvision_gives(cifar10_root):
    inputs, labels = next(iter(Cifar10(root=cifar10_root, normalize=False).loaders(1, 0).test))
    theirs = datasets.CIFAR10(cifar10_root, train=False)
    for row, (image, label) in enumerate(theirs):
        assert np.array_equal((inputs[row] * 255).round().byte().permute(1, 2, 0).numpy(), np.asarray(image))
        assert labels[row] == label


def test_normalizes_crops_and_flips_by_default(cifar10_root):
    source = Cifar10(root=cifar10_root)
    inputs, _ = next(iter(source.loaders(1, 0).test))
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    oracle = (source.parts.test.inputs / 255 - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(inputs, oracle, rtol=0, atol=1e-6)
    augmented = Cifar10(root=cifar10_root, cutout=True).loaders(90, 0).train
    plain = Cifar10(root=cifar10_root, augment=False).loaders(90, 0).train
    (x, y), (x_plain, y_plain) = next(iter(augmented)), next(iter(plain))
    assert torch.equal(y, y_plain)
    assert not torch.equal(x, x_plain)
    hidden = (x == 0).all(1).double().mean()
    assert abs(float(hidden) - 0.19140625) < 5 * 0.06 / 90**0.5  # .06: deviation of one image's fraction


def test_reads_files_that_are_there_in_a_folder_it_may_not_write(cifar10_root):
    for folder in (cifar10_root, cifar10_root / datasets.CIFAR10.base_folder):
        os.chmod(folder, 0o555)
    try:
        assert len(Cifar10(root=cifar10_root).parts.test) == 20
    finally:
        for folder in (cifar10_root, cifar10_root / datasets.CIFAR10.base_folder):
            os.chmod(folder, 0o755)


def test_unpacks_an_archive_that_is_there_without_a_network(cifar10_archive):
    assert len(Cifar10(root=cifar10_archive, download=False).parts.train) == 90


def test_a_damaged_archive_is_one_sentence_and_stays_as_it_is(cifar10_archive, sentence):
    archive = cifar10_archive / datasets.CIFAR10.filename
    archive.write_bytes(archive.read_bytes()[:1000])
    text = sentence(lambda: Cifar10(root=cifar10_archive).parts)
    assert f"{archive} is damaged (its md5 is wrong)" in text
    assert archive.stat().st_size == 1000


def test_a_damaged_batch_is_one_sentence_and_stays_as_it_is(cifar10_root, sentence):
    path = cifar10_root / datasets.CIFAR10.base_folder / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    text = sentence(lambda: Cifar10(root=cifar10_root).parts)
    assert "is damaged" in text
    assert str(path.parent) in text
    assert path.read_bytes() == before


def test_downloads_and_unpacks_what_is_missing(cifar10_archive, server, monkeypatch, tmp_path):
    served, url = server
    shutil.copy(cifar10_archive / datasets.CIFAR10.filename, served)
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{url}/{datasets.CIFAR10.filename}")
    fresh = tmp_path / "fresh"
    assert len(Cifar10(root=fresh).parts.train) == 90
    assert (fresh / datasets.CIFAR10.base_folder / "data_batch_1").exists()


@pytest.mark.data
def test_the_real_images_are_those_of_the_npz_file(real):
    source = Cifar10(root=real("cifar-10-batches-py", "torchvision/cifar-10-batches-py"))
    assert [len(part) for part in source.parts] == [45_000, 5_000, 10_000]
    with np.load(real("cifar10.npz") / "cifar10.npz") as file:
        assert np.array_equal(source.parts.test.inputs.permute(0, 2, 3, 1).numpy(), file["x_test"])
        assert np.array_equal(source.parts.test.labels.numpy(), file["y_test"])
    labels = torch.cat([part.labels for part in source.parts[:2]])
    assert torch.bincount(labels).tolist() == [5000] * 10


@pytest.mark.data
def test_the_paper_deviations_are_means_over_images(real):
    source = Cifar10(root=real("cifar-10-batches-py", "torchvision/cifar-10-batches-py"))
    images = source.parts.train.inputs[::5].float() / 255
    rounding = 0.002  # of a fifth of the images
    mean = images.mean((0, 2, 3))
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]), rtol=0, atol=rounding)
    of_images = images.std((2, 3)).mean(0)
    torch.testing.assert_close(of_images, torch.tensor([0.2023, 0.1994, 0.2010]), rtol=0, atol=rounding)
    of_pixels = images.std((0, 2, 3))
    torch.testing.assert_close(of_pixels, torch.tensor([0.2470, 0.2435, 0.2616]), rtol=0, atol=rounding)
