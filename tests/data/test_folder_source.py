import pytest
import torch
from PIL import Image
from torchvision import datasets

from initlab.data.folder_source import labelled
from initlab.data.image_folder import ImageFolder
from initlab.errors import ConfigError


def test_labelled_lists_the_files_with_their_labels(image_folder_root):
    folder = datasets.ImageFolder(image_folder_root / "images" / "train")
    files = labelled(folder, ["cat", "dog"])
    assert len(files) == 12
    assert files.labels.tolist() == [0] * 6 + [1] * 6
    assert [str(path) for path in files.paths] == [path for path, _ in folder.samples]


def test_labelled_refuses_other_class_folders(image_folder_root, sentence):
    folder = datasets.ImageFolder(image_folder_root / "images" / "train")
    assert "differ in the class folder dog" in sentence(lambda: labelled(folder, ["cat"]))


def test_evaluation_shows_the_central_seven_eighths(image_folder_root):
    rings = Image.new("RGB", (160, 80), (255, 0, 0))
    rings.paste((0, 255, 0), (45, 5, 115, 75))  # the central 70 of 80 pixels of height
    image = ImageFolder(root=image_folder_root, image_size=70).evaluation_transform()(rings)
    assert image.shape == (3, 70, 70)
    assert image.dtype == torch.uint8
    assert bool((image[1] == 255).all())


def test_training_crops_have_the_input_size(image_folder_root):
    transform = ImageFolder(root=image_folder_root, image_size=16).training_transform()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert transform(Image.new("RGB", (20, 50))).shape == (3, 16, 16)


def test_without_augmentation_training_images_are_the_same_in_every_epoch(image_folder_root):
    source = ImageFolder(root=image_folder_root, image_size=16, augment=False, num_workers=0)
    train = source.loaders(20, 0).train
    epochs = []
    for epoch in (0, 1):
        train.set_epoch(epoch)
        inputs, _ = next(iter(train))
        epochs.append({image.numpy().tobytes() for image in inputs})
    assert epochs[0] == epochs[1]
    assert len(epochs[0]) > 1


def test_normalization_can_be_left_out(image_folder_root):
    source = ImageFolder(root=image_folder_root, image_size=16, normalize=False, num_workers=0)
    inputs, _ = next(iter(source.loaders(20, 0).test))
    assert float(inputs.min()) >= 0
    assert 0.9 < float(inputs.max()) <= 1


@pytest.mark.parametrize(
    ("key", "value"), [("val_fraction", 1.0), ("image_size", 0), ("num_workers", -1), ("num_workers", 1.5)]
)
def test_the_options_are_checked_before_anything_is_read(key, value, sentence):
    text = sentence(lambda: ImageFolder(root="nowhere", **{key: value}), ConfigError)
    assert f"data.{key}={value}" in text
