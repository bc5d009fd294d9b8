import shutil

from initlab.data.imagenet import Imagenet


def parts(source):
    loaders = source.loaders(4, 0)
    return [stream.data.files for stream in (loaders.train, loaders.val, loaders.test)]


def test_the_official_validation_part_is_the_test_part(imagenet_root):
    train, val, test = parts(Imagenet(root=imagenet_root))
    assert (len(train), len(val), len(test)) == (11, 1, 4)
    assert all("ILSVRC2012_val" in str(path) for path in test.paths)
    assert test.labels.tolist() == [0, 0, 1, 1]


def test_a_wrong_number_of_classes_is_one_sentence(imagenet_root, monkeypatch, sentence):
    monkeypatch.setattr("initlab.data.imagenet.NUM_CLASSES", 1000)
    assert "has 2 class folders, not 1000" in sentence(lambda: parts(Imagenet(root=imagenet_root)))


def test_a_missing_part_is_one_sentence_that_names_the_archive(imagenet_root, sentence):
    shutil.rmtree(imagenet_root / "imagenet" / "val")
    text = sentence(lambda: parts(Imagenet(root=imagenet_root)))
    assert "ILSVRC2012_img_val.tar" in text


def test_a_damaged_archive_is_one_sentence(tmp_path, sentence):
    (tmp_path / "imagenet").mkdir()
    (tmp_path / "imagenet" / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"half")
    text = sentence(lambda: parts(Imagenet(root=tmp_path)))
    assert "ILSVRC2012_devkit_t12.tar.gz is not present in the root directory or is corrupted" in text


def test_damaged_meta_data_are_one_sentence(imagenet_root, sentence):
    (imagenet_root / "imagenet" / "meta.bin").write_bytes(b"half")
    assert "cannot be read" in sentence(lambda: parts(Imagenet(root=imagenet_root)))
