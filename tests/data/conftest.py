"""Small data sets in each official layout, and a machine without a network."""

import gzip
import hashlib
import os
import pickle
import shutil
import socket
import struct
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from initlab.errors import DataError


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Only this machine has an address: a test that fetches anything else fails."""
    found = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(-2, "Name or service not known")
        return found(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def sentence():
    """Run a call that must fail, and return the one sentence that says why."""

    def run(call, kind=DataError):
        with pytest.raises(kind) as caught:
            call()
        text = str(caught.value)
        assert text
        assert "\n" not in text
        assert "Traceback" not in text
        return text

    return run


@pytest.fixture
def server(tmp_path):
    """Serve a folder on this machine; gives the folder and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def labels(count: int, classes: int) -> np.ndarray:
    return (np.arange(count) % classes).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist_root(tmp_path):
    """60 + 20 images as idx files, which torchvision reads without looking at their md5."""
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count, seed in (("train", 60, 0), ("t10k", 20, 1)):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels(count, 28, 28, seed=seed)))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels(count, 10)))
    return tmp_path / "mnist"


@pytest.fixture
def mnist_archives(mnist_root, monkeypatch):
    """The same as ``.gz`` archives only, their md5 entered in torchvision's table."""
    raw = mnist_root / "MNIST" / "raw"
    resources = []
    for path in sorted(raw.iterdir()):
        archive = path.with_name(f"{path.name}.gz")
        archive.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        resources.append((archive.name, md5(archive)))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    return mnist_root


def write_cifar(root: Path, kind: type, label_key: str, classes: int, patch) -> Path:
    """Write the pickles of CIFAR, 20 images each, and enter their md5 in torchvision's tables."""
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    for table in ("train_list", "test_list"):
        entries = []
        for name, _ in getattr(kind, table):
            number = len(list(folder.iterdir()))
            rows = pixels(20, 3 * 32 * 32, seed=number)
            rows[:, 0] = number * 20 + np.arange(20)  # the first pixel numbers the images
            entry = {"data": rows, label_key: labels(20, classes).tolist()}
            (folder / name).write_bytes(pickle.dumps(entry, protocol=2))
            entries.append([name, md5(folder / name)])
        patch.setattr(kind, table, entries)
    meta = folder / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: [f"class {i}" for i in range(classes)]}, protocol=2))
    patch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})
    return root


@pytest.fixture
def cifar10_root(tmp_path, monkeypatch):
    return write_cifar(tmp_path / "cifar10", datasets.CIFAR10, "labels", 10, monkeypatch)


@pytest.fixture
def cifar100_root(tmp_path, monkeypatch):
    return write_cifar(tmp_path / "cifar100", datasets.CIFAR100, "fine_labels", 100, monkeypatch)


@pytest.fixture
def cifar10_archive(cifar10_root, monkeypatch):
    """The same as the archive only, its md5 entered in torchvision's table."""
    kind = datasets.CIFAR10
    archive = cifar10_root / kind.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10_root / kind.base_folder, kind.base_folder)
    shutil.rmtree(cifar10_root / kind.base_folder)
    monkeypatch.setattr(kind, "tgz_md5", md5(archive))
    return cifar10_root


def write_image(path: Path, width: int, height: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(height, width, 3, seed=seed)).save(path)


@pytest.fixture
def tiny_imagenet_root(tmp_path, monkeypatch):
    """Tiny ImageNet of 3 classes, 6 training and 2 validation images each."""
    monkeypatch.setattr("initlab.data.tiny_imagenet.NUM_CLASSES", 3)
    folder = tmp_path / "tiny" / "tiny-imagenet-200"
    wnids = ["n03", "n01", "n02"]  # the official file is not sorted either
    for wnid in wnids:
        for i in range(6):
            write_image(folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", 64, 64, seed=i)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
    lines = []
    for i in range(6):
        write_image(folder / "val" / "images" / f"val_{i}.JPEG", 64, 64, seed=10 + i)
        lines.append(f"val_{i}.JPEG\t{wnids[i % 3]}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("\n".join(wnids))
    write_image(folder / "test" / "images" / "test_0.JPEG", 64, 64)
    return tmp_path / "tiny"


@pytest.fixture
def imagenet_root(tmp_path, monkeypatch):
    """ImageNet of 2 classes, its archives unpacked as torchvision leaves them."""
    monkeypatch.setattr("initlab.data.imagenet.NUM_CLASSES", 2)
    folder = tmp_path / "big" / "imagenet"
    for number, wnid in enumerate(("n01440764", "n01443537")):
        for i in range(6):
            write_image(folder / "train" / wnid / f"{wnid}_{i}.JPEG", 70 + i, 80, seed=i)
        for i in range(2):
            write_image(folder / "val" / wnid / f"ILSVRC2012_val_{number}{i}.JPEG", 90, 60, seed=20 + i)
    names = {"n01440764": ("tench",), "n01443537": ("goldfish",)}
    torch.save((names, ["n01440764", "n01443537"]), folder / "meta.bin")
    return tmp_path / "big"


@pytest.fixture
def image_folder_root(tmp_path):
    """Images of two classes and several sizes, with a training and a test folder."""
    for part, count in (("train", 6), ("test", 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                write_image(tmp_path / "own" / "images" / part / name / f"{i}.png", 20 + i, 30, seed=i)
    return tmp_path / "own"


@pytest.fixture
def npz_root(tmp_path):
    """Colour images of 10x12 pixels in 4 classes."""
    np.savez(
        tmp_path / "data.npz",
        x_train=pixels(40, 10, 12, 3),
        y_train=labels(40, 4),
        x_test=pixels(8, 10, 12, 3, seed=1),
        y_test=labels(8, 4),
        classes=np.array(["a", "b", "c", "d"]),
    )
    return tmp_path


@pytest.fixture
def libsvm_root(tmp_path):
    """A text set without a test file: 40 examples, 3 features, labels -1, 2 and 5."""
    (tmp_path / "libsvm").mkdir()
    rows = "".join(f"{(-1, 2, 5)[i % 3]} 1:{i / 10} 3:{-i / 7:.6g}\n" for i in range(40))
    (tmp_path / "libsvm" / "iris.scale").write_text(rows)
    return tmp_path


@pytest.fixture
def no_root(tmp_path):
    """A data set that needs no files."""
    return tmp_path


@pytest.fixture
def real_root():
    """The folder of the real data sets: ``INITLAB_DATA_DIR``, or ``data``."""
    root = Path(os.environ.get("INITLAB_DATA_DIR", "data"))
    if not root.is_dir():
        pytest.skip(f"the real data sets are not in {root.absolute()}; set INITLAB_DATA_DIR")
    return root


@pytest.fixture
def real(real_root):
    """Give the real folder if it holds any of some entries, else skip."""

    def holds(*entries):
        if not any((real_root / entry).exists() for entry in entries):
            pytest.skip(f"{entries[0]} is not in {real_root.absolute()}; set INITLAB_DATA_DIR")
        return real_root

    return holds
