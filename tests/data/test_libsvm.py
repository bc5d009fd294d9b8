import bz2

import numpy as np
import pytest
import torch

from initlab.data import libsvm
from initlab.data.libsvm import Libsvm


def write(root, name, text):
    folder = root / "libsvm"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return Libsvm(root=root, dataset=name.removesuffix(".t"), download=False)


ROWS = "+1 1:0.5 2:1\n-1 2:-2\n" * 10


def test_labels_count_from_0_and_the_text_is_kept(libsvm_root):
    source = Libsvm(root=libsvm_root)
    assert source.class_names == ("-1", "2", "5")
    assert source.input_shape == (3,)
    assert [len(part) for part in source.parts] == [29, 3, 8]
    first = source.arrays
    assert first.y_train[:4].tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(first.x_train[7], [0.7, 0.0, -1.0], rtol=1e-6)


def test_without_a_test_file_a_stratified_part_is_split_off(libsvm_root):
    counts = torch.bincount(Libsvm(root=libsvm_root).parts.test.labels)
    assert counts.max() - counts.min() <= 1


def test_both_files_get_as_many_features_as_the_wider_one(tmp_path):
    write(tmp_path, "set", ROWS)
    source = write(tmp_path, "set.t", "-1 5:3\n+1 1:1\n")
    assert source.input_shape == (5,)
    assert source.parts.test.inputs.tolist() == [[0, 0, 0, 0, 3], [1, 0, 0, 0, 0]]
    assert source.parts.test.labels.tolist() == [0, 1]
    assert bool((source.parts.train.inputs[:, 2:] == 0).all())


def test_reads_compressed_text(tmp_path):
    (tmp_path / "libsvm").mkdir()
    (tmp_path / "libsvm" / "set.bz2").write_bytes(bz2.compress(ROWS.encode()))
    assert Libsvm(root=tmp_path, dataset="set").input_shape == (2,)


def test_features_are_standardized_where_asked(tmp_path):
    write(tmp_path, "set", ROWS)
    inputs, _ = next(iter(Libsvm(root=tmp_path, dataset="set", normalize=True).loaders(100, 0).train))
    assert inputs.mean(0).abs().max() < 1e-6
    assert (inputs.std(0, correction=0) - 1).abs().max() < 1e-6


@pytest.mark.parametrize("line", ["no numbers", "1 1:a", "1 0:3", "1,2 1:1", "1 2:1 1:1"])
def test_damaged_text_is_one_sentence(tmp_path, line, sentence):
    source = write(tmp_path, "set", f"{ROWS}{line}\n")
    assert f"{tmp_path / 'libsvm' / 'set'} is damaged or no LIBSVM text" in sentence(lambda: source.parts)


def test_a_number_that_is_not_finite_is_one_sentence(tmp_path, sentence):
    source = write(tmp_path, "set", f"{ROWS}1 1:nan\n")
    assert "has inputs that are not finite" in sentence(lambda: source.parts)


def test_an_empty_file_is_one_sentence(tmp_path, sentence):
    source = write(tmp_path, "set", "")
    assert str(tmp_path / "libsvm" / "set") in sentence(lambda: source.parts)


def test_a_label_that_training_has_not_is_one_sentence(tmp_path, sentence):
    write(tmp_path, "set", ROWS)
    source = write(tmp_path, "set.t", "7 1:1\n")
    assert "set.t has the label 7, which set has not" in sentence(lambda: source.parts)


def test_reads_the_npz_form_too(tmp_path, sentence):
    (tmp_path / "libsvm").mkdir()
    path = tmp_path / "libsvm" / "set.npz"
    x, y = np.eye(20, dtype=np.float32), np.arange(20) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x[:4], y_test=y[:4], classes=np.array([-1, 1]))
    source = Libsvm(root=tmp_path, dataset="set")
    assert source.class_names == ("-1", "1")
    assert torch.equal(source.parts.test.inputs, torch.eye(20)[:4])
    np.savez(path, x_train=x, y_train=y, x_test=x[:4, :9], y_test=y[:4])
    assert "of shape (9,), not (20,)" in sentence(lambda: Libsvm(root=tmp_path, dataset="set").parts)
    path.write_bytes(b"PK")
    assert "is damaged" in sentence(lambda: Libsvm(root=tmp_path, dataset="set").parts)


def test_downloads_text_and_test_file_where_they_are_published(server, monkeypatch, tmp_path, sentence):
    served, url = server
    monkeypatch.setattr(libsvm, "SITE", url)
    (served / "multiclass").mkdir()
    (served / "multiclass" / "set").write_text(ROWS)
    (served / "multiclass" / "set.t.bz2").write_bytes(bz2.compress(b"-1 1:1\n"))
    (served / "binary").mkdir()
    (served / "binary" / "pair").write_text(ROWS)
    fresh = tmp_path / "fresh"
    assert len(Libsvm(root=fresh, dataset="set").parts.test) == 1
    assert len(Libsvm(root=fresh, dataset="pair").parts.test) == 4
    assert sorted(path.name for path in (fresh / "libsvm").iterdir()) == ["pair", "set", "set.t.bz2"]
    text = sentence(lambda: Libsvm(root=fresh, dataset="other").parts)
    assert "the site has no set named other" in text


REAL = {
    "dna.scale": (180, 3, 2000, 1186),
    "glass.scale": (9, 6, 171, 43),
    "iris.scale": (4, 3, 120, 30),
    "pendigits": (16, 10, 7494, 3498),
    "satimage.scale": (36, 6, 4435, 2000),
    "shuttle.scale": (9, 7, 43_500, 14_500),
    "vehicle.scale": (18, 4, 677, 169),
    "vowel.scale": (10, 11, 528, 462),
    "wine.scale": (13, 3, 142, 36),
}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_reads_the_real_sets(name, real):
    features, classes, train, test = REAL[name]
    source = Libsvm(root=real(f"libsvm/{name}.npz", f"libsvm/{name}"), dataset=name)
    assert (source.input_shape, source.num_classes) == ((features,), classes)
    assert len(source.parts.train) + len(source.parts.val) == train
    assert len(source.parts.test) == test
