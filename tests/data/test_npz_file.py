import numpy as np
import pytest

from initlab.data.npz_file import Arrays, read_npz

X, Y = np.zeros((4, 3)), np.arange(4)


def saved(path, **arrays):
    np.savez(path / "it.npz", **arrays)
    return path / "it.npz"


def test_reads_arrays_and_class_names(tmp_path):
    arrays = read_npz(saved(tmp_path, x_train=X, y_train=Y.astype(np.uint8), classes=np.array([-1, 3])))
    assert np.array_equal(arrays.x_train, X)
    assert arrays.y_train.dtype == np.int64
    assert arrays.x_test is None
    assert arrays.classes == ("-1", "3")


@pytest.mark.parametrize("size", [0, 10, 200, -30])
def test_a_truncated_file_is_one_sentence(tmp_path, size, sentence):
    path = saved(tmp_path, x_train=X, y_train=Y)
    path.write_bytes(path.read_bytes()[:size])
    assert f"{path} is damaged or no npz file" in sentence(lambda: read_npz(path))


def test_flipped_bytes_are_one_sentence(tmp_path, sentence):
    path = saved(tmp_path, x_train=X, y_train=Y)
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF  # in the first array: the checksum of the zip file catches it
    path.write_bytes(bytes(content))
    assert "is damaged" in sentence(lambda: read_npz(path))


def test_a_single_array_and_pickled_objects_are_refused(tmp_path, sentence):
    np.save(tmp_path / "one.npy", X)
    assert "no npz file" in sentence(lambda: read_npz(tmp_path / "one.npy"))
    objects = np.array([{}], dtype=object)
    assert "no npz file" in sentence(lambda: read_npz(saved(tmp_path, x_train=objects, y_train=Y)))


def test_a_missing_array_is_named(tmp_path, sentence):
    assert "has no array y_train" in sentence(lambda: read_npz(saved(tmp_path, x_train=X)))
    only_half = saved(tmp_path, x_train=X, y_train=Y, x_test=X)
    assert "only one of the arrays x_test and y_test" in sentence(lambda: read_npz(only_half))


@pytest.mark.parametrize("labels", [Y / 2, Y[:, None], np.array(["a"] * 4), Y[:0]])
def test_labels_are_a_row_of_whole_numbers(tmp_path, labels, sentence):
    path = saved(tmp_path, x_train=X, y_train=labels)
    assert "y_train must be a row of whole numbers" in sentence(lambda: read_npz(path))


def test_classes_without_names_are_named_by_their_labels():
    x, y = np.zeros((3, 2)), np.array([0, 2, 1])
    assert Arrays(x, y).class_names == ("0", "1", "2")
    assert Arrays(x, y, classes=("a", "b", "c")).class_names == ("a", "b", "c")
