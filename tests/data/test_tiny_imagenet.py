import hashlib
import shutil

import pytest
import torch
from PIL import Image

from initlab.data import tiny_imagenet
from initlab.data.tiny_imagenet import TinyImagenet


def parts(source):
    loaders = source.loaders(4, 0)
    return [stream.data.files for stream in (loaders.train, loaders.val, loaders.test)]


@pytest.fixture
def zipped(tiny_imagenet_root, monkeypatch):
    """The archive, and nothing else, its md5 entered."""
    shutil.make_archive(
        str(tiny_imagenet_root / tiny_imagenet.FOLDER), "zip", tiny_imagenet_root, tiny_imagenet.FOLDER
    )
    shutil.rmtree(tiny_imagenet_root / tiny_imagenet.FOLDER)
    archive = tiny_imagenet_root / "tiny-imagenet-200.zip"
    monkeypatch.setattr(tiny_imagenet, "MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_the_annotated_validation_part_is_the_test_part(tiny_imagenet_root):
    train, val, test = parts(TinyImagenet(root=tiny_imagenet_root))
    assert (len(train), len(val), len(test)) == (16, 2, 6)
    for part in (train, val):
        assert part.labels.tolist() == [int(path.name[2]) - 1 for path in part.paths]  # n01 is class 0
    assert [path.name for path in test.paths] == [f"val_{i}.JPEG" for i in range(6)]
    assert test.labels.tolist() == [2, 0, 1, 2, 0, 1]


def test_training_images_are_cropped_and_flipped(tiny_imagenet_root):
    source = TinyImagenet(root=tiny_imagenet_root)
    side = torch.arange(64, dtype=torch.uint8)
    planes = [side[:, None].expand(64, 64), side.expand(64, 64), torch.full((64, 64), 255).byte()]
    image = Image.fromarray(torch.stack(planes, dim=2).numpy())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        middles = [source.training_transform()(image)[:2, 32, 32].tolist() for _ in range(300)]
    rows, columns = (set(values) for values in zip(*middles, strict=True))
    assert rows == set(range(28, 37))  # row 32, moved by at most 4
    assert columns == set(range(27, 37))  # and mirrored
    assert torch.equal(source.evaluation_transform()(image)[2], planes[2])


def test_unpacks_an_archive_that_is_there_without_a_network(zipped):
    assert len(parts(TinyImagenet(root=zipped.parent, download=False))[2]) == 6


def test_downloads_what_is_missing(zipped, server, monkeypatch, tmp_path):
    served, url = server
    shutil.copy(zipped, served)
    monkeypatch.setattr(tiny_imagenet, "URL", f"{url}/{zipped.name}")
    assert len(parts(TinyImagenet(root=tmp_path / "fresh"))[2]) == 6


def test_a_damaged_archive_is_one_sentence_and_stays_as_it_is(zipped, sentence):
    zipped.write_bytes(zipped.read_bytes()[:500])
    text = sentence(lambda: parts(TinyImagenet(root=zipped.parent)))
    assert f"{zipped} is damaged (its md5 is wrong)" in text
    assert zipped.stat().st_size == 500


def test_an_image_of_another_size_is_one_sentence(tiny_imagenet_root, sentence):
    path = tiny_imagenet_root / "tiny-imagenet-200" / "val" / "images" / "val_3.JPEG"
    Image.new("RGB", (32, 32)).save(path)
    source = TinyImagenet(root=tiny_imagenet_root, num_workers=0)
    assert sentence(lambda: list(source.loaders(4, 0).test)) == f"{path} is 32x32, not 64x64"


def test_what_is_missing_or_unknown_is_named(tiny_imagenet_root, sentence):
    folder = tiny_imagenet_root / "tiny-imagenet-200"

    def text():
        return sentence(lambda: parts(TinyImagenet(root=tiny_imagenet_root)))

    annotations = folder / "val" / "val_annotations.txt"
    annotations.write_text(annotations.read_text().replace("n02", "n99"))
    assert "names the class n99, not in wnids.txt" in text()
    annotations.write_text("val_0.JPEG n01\n")
    assert "is damaged" in text()
    shutil.rmtree(folder / "train" / "n03")
    assert f"{folder / 'train' / 'n03' / 'images'} has no images" in text()
    annotations.unlink()
    assert "val_annotations.txt is missing" in text()
