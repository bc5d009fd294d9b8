import shutil

from initlab.data.image_folder import ImageFolder


def parts(source):
    loaders = source.loaders(4, 0)
    return [stream.data.files for stream in (loaders.train, loaders.val, loaders.test)]


def test_classes_are_the_sorted_folders(image_folder_root):
    source = ImageFolder(root=image_folder_root)
    assert source.class_names == ("cat", "dog")
    assert source.input_shape == (3, 224, 224)


def test_validation_takes_its_share_of_the_training_files(image_folder_root):
    train, val, test = parts(ImageFolder(root=image_folder_root, val_fraction=0.25))
    assert (len(train), len(val), len(test)) == (9, 3, 4)
    listed = image_folder_root / "images" / "train"
    assert sorted(map(str, [*train.paths, *val.paths])) == sorted(map(str, listed.rglob("*.png")))


def test_a_validation_folder_beside_a_test_folder_is_used(image_folder_root):
    images = image_folder_root / "images"
    shutil.copytree(images / "test", images / "val")
    train, val, test = parts(ImageFolder(root=image_folder_root))
    assert (len(train), len(val), len(test)) == (12, 4, 4)
    assert {str(path).split("/")[-3] for path in val.paths} == {"val"}
    assert {str(path).split("/")[-3] for path in test.paths} == {"test"}


def test_a_validation_folder_alone_is_the_test_part(image_folder_root):
    images = image_folder_root / "images"
    (images / "test").rename(images / "val")
    train, val, test = parts(ImageFolder(root=image_folder_root))
    assert (len(train), len(val), len(test)) == (11, 1, 4)


def test_what_is_missing_is_named(image_folder_root, sentence):
    images = image_folder_root / "images"
    shutil.rmtree(images / "test")
    assert "has neither a test nor a val folder" in sentence(
        lambda: parts(ImageFolder(root=image_folder_root))
    )
    for path in (images / "train" / "dog").iterdir():
        path.unlink()
    assert "dog" in sentence(lambda: parts(ImageFolder(root=image_folder_root)))


def test_a_test_class_that_training_has_not_is_named(image_folder_root, sentence):
    test = image_folder_root / "images" / "test"
    (test / "dog").rename(test / "eel")
    assert "differ in the class folder dog" in sentence(lambda: parts(ImageFolder(root=image_folder_root)))
