import shutil

import numpy as np
import pytest
import torch
from torchvision import datasets

from initlab.data.mnist import Mnist


def stored(source):
    return [source.parts.train, source.parts.val, source.parts.test]


def test_reads_the_idx_files_that_are_there(mnist_root):
    source = Mnist(root=mnist_root)
    assert [len(part) for part in stored(source)] == [54, 6, 20]
    raw = (mnist_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    assert source.parts.test.inputs.numpy().tobytes() == raw
    assert source.parts.test.labels.tolist() == [i % 10 for i in range(20)]


def test_finds_the_files_in_a_folder_named_torchvision(mnist_root):
    moved = mnist_root / "torchvision"
    moved.mkdir()
    (mnist_root / "MNIST").rename(moved / "MNIST")
    (mnist_root / "MNIST" / "raw").mkdir(parents=True)  # what a failed download leaves
    assert len(Mnist(root=mnist_root).parts.test) == 20


def test_subtracts_one_half_and_augments_nothing(mnist_root):
    source = Mnist(root=mnist_root)
    inputs, labels = next(iter(source.loaders(54, seed=0).train))
    pixels = {row.numpy().tobytes() for row in source.parts.train.inputs}
    back = ((inputs + 0.5) * 255).round().to(torch.uint8)
    assert {row.numpy().tobytes() for row in back} == pixels
    assert len(labels) == 54


def test_unpacks_archives_that_are_there_without_a_network(mnist_archives):
    assert len(Mnist(root=mnist_archives, download=False).parts.train) == 54


def test_a_damaged_archive_is_one_sentence_and_stays_as_it_is(mnist_archives, sentence):
    archive = mnist_archives / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:-100])
    before = archive.read_bytes()
    text = sentence(lambda: Mnist(root=mnist_archives).parts)
    assert "train-images-idx3-ubyte.gz is damaged (its md5 is wrong)" in text
    assert archive.read_bytes() == before


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("size", [0, 3, 9, 300])
def test_a_truncated_file_is_one_sentence(mnist_root, name, size, sentence):
    path = mnist_root / "MNIST" / "raw" / name
    path.write_bytes(path.read_bytes()[: min(size, path.stat().st_size - 1)])
    text = sentence(lambda: Mnist(root=mnist_root).parts)
    assert "is damaged" in text
    assert str(mnist_root) in text


def test_a_file_that_is_missing_beside_others_is_named(mnist_root, sentence):
    (mnist_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    assert "t10k-labels-idx1-ubyte is missing" in sentence(lambda: Mnist(root=mnist_root).parts)


def test_a_label_above_9_is_one_sentence(mnist_root, sentence):
    path = mnist_root / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0a")
    text = sentence(lambda: Mnist(root=mnist_root).parts)
    assert text == "the training part of data=mnist has the label 10, outside 0..9"


def test_images_of_another_size_are_one_sentence(mnist_root, cifar10_root, sentence):
    raw = mnist_root / "MNIST" / "raw"
    content = (raw / "t10k-images-idx3-ubyte").read_bytes()
    wide = content[:4] + (35).to_bytes(4) + (14).to_bytes(4) + (32).to_bytes(4)
    (raw / "t10k-images-idx3-ubyte").write_bytes(wide + content[16 : 16 + 35 * 14 * 32])
    text = sentence(lambda: Mnist(root=mnist_root).parts)
    assert text == "the test part of data=mnist has inputs of shape (1, 14, 32), not (1, 28, 28)"


def test_downloads_what_is_missing_and_checks_it(mnist_archives, server, monkeypatch, tmp_path, sentence):
    served, url = server
    for archive in (mnist_archives / "MNIST" / "raw").iterdir():
        shutil.copy(archive, served)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{url}/"])
    assert len(Mnist(root=tmp_path / "fresh").parts.train) == 54
    monkeypatch.setattr(datasets.MNIST, "resources", [(n, "0" * 32) for n, _ in datasets.MNIST.resources])
    text = sentence(lambda: Mnist(root=tmp_path / "other").parts)
    assert "could not be downloaded" in text
    assert "data=digits" in text


@pytest.mark.data
def test_the_real_images_are_those_of_the_npz_file(real):
    real("mnist.npz")
    source = Mnist(root=real("MNIST", "torchvision/MNIST"))
    assert [len(part) for part in stored(source)] == [54_000, 6_000, 10_000]
    with np.load(real("mnist.npz") / "mnist.npz") as file:
        assert np.array_equal(source.parts.test.inputs[:, 0].numpy(), file["x_test"])
        assert np.array_equal(source.parts.test.labels.numpy(), file["y_test"])
        assert sum(int(part.labels.sum()) for part in source.parts[:2]) == int(file["y_train"].sum(dtype=int))
