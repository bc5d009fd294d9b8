import numpy as np
import pytest
import torch

from initlab.data.npz import Npz
from initlab.errors import ConfigError


def saved(root, **arrays):
    np.savez(root / "data.npz", **arrays)
    return Npz(root=root)


def images(*shape):
    return np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)


LABELS = np.arange(20) % 4


def test_colour_images_become_channels_first(npz_root):
    source = Npz(root=npz_root)
    assert source.input_shape == (3, 10, 12)
    assert source.class_names == ("a", "b", "c", "d")
    with np.load(npz_root / "data.npz") as file:
        assert np.array_equal(source.parts.test.inputs.permute(0, 2, 3, 1).numpy(), file["x_test"])


def test_grey_images_get_a_channel(tmp_path):
    source = saved(tmp_path, x_train=images(20, 5, 6), y_train=LABELS)
    assert source.input_shape == (1, 5, 6)


def test_features_are_standardized_or_left_alone(tmp_path):
    rows = np.random.default_rng(0).normal(5, 3, (200, 4))
    source = saved(tmp_path, x_train=rows, y_train=np.arange(200) % 4)
    inputs, _ = next(iter(source.loaders(200, 0).train))
    assert inputs.mean(0).abs().max() < 1e-6
    plain = Npz(root=tmp_path, normalize=False)
    inputs, _ = next(iter(plain.loaders(200, 0).test))
    assert torch.equal(inputs, plain.parts.test.inputs)


def test_without_a_test_part_a_stratified_one_is_split_off(tmp_path):
    parts = saved(tmp_path, x_train=images(20, 5, 6), y_train=LABELS).parts
    assert [len(part) for part in parts] == [14, 2, 4]
    assert sorted(parts.test.labels.tolist()) == [0, 1, 2, 3]


def test_labels_outside_the_classes_are_one_sentence(tmp_path, sentence):
    x = images(20, 5, 6)
    named = saved(tmp_path, x_train=x, y_train=LABELS, classes=np.array(["a", "b", "c"]))
    assert sentence(lambda: named.parts) == ("the training part of data=npz has the label 3, outside 0..2")
    tested = saved(tmp_path, x_train=x, y_train=LABELS, x_test=x, y_test=LABELS + 1)
    assert "the test part of data=npz has the label 4, outside 0..3" in sentence(lambda: tested.parts)
    negative = saved(tmp_path, x_train=x, y_train=LABELS - 1)
    assert "has the label -1, outside 0..2" in sentence(lambda: negative.parts)


def test_test_images_of_another_size_are_one_sentence(tmp_path, sentence):
    source = saved(tmp_path, x_train=images(20, 5, 6), y_train=LABELS, x_test=images(20, 6, 6), y_test=LABELS)
    assert "has inputs of shape (1, 6, 6), not (1, 5, 6)" in sentence(lambda: source.parts)


@pytest.mark.parametrize("x", [np.zeros((20, 5, 6)), np.zeros(20), np.array([["a"]] * 20)])
def test_arrays_that_are_neither_images_nor_features_are_one_sentence(tmp_path, x, sentence):
    source = saved(tmp_path, x_train=x, y_train=LABELS)
    assert "are neither uint8 images" in sentence(lambda: source.parts)


def test_inputs_and_labels_must_be_as_many(tmp_path, sentence):
    source = saved(tmp_path, x_train=images(19, 5, 6), y_train=LABELS, x_test=images(20, 5, 6), y_test=LABELS)
    assert "19 inputs and 20 labels" in sentence(lambda: source.parts)


def test_features_cannot_be_cropped(tmp_path, sentence):
    saved(tmp_path, x_train=np.zeros((20, 5)), y_train=LABELS)
    source = Npz(root=tmp_path, augment=True)
    assert "data.augment=false" in sentence(lambda: source.loaders(4, 0), ConfigError)


@pytest.mark.data
def test_reads_the_real_file(real):
    source = Npz(root=real("mnist.npz"), file="mnist.npz")
    assert source.input_shape == (1, 28, 28)
    assert [len(part) for part in source.parts] == [54_000, 6_000, 10_000]
    inputs, _ = next(iter(source.loaders(10_000, 0).train))
    assert abs(float(inputs.mean())) < 0.01
    assert abs(float(inputs.std()) - 1) < 0.01
