import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from initlab.data.preprocessing import Preprocessing
from initlab.data.streamed import Decoded, ImageFiles, Streamed, collate

RANDOM = v2.Compose([v2.RandomCrop(8, padding=2), v2.RandomHorizontalFlip(), v2.PILToTensor()])


@pytest.fixture
def image_files(tmp_path):
    """Twenty images; the red channel numbers them, the others hold each pixel's row and column."""
    side = torch.arange(8, dtype=torch.uint8)
    paths = []
    for i in range(20):
        planes = [torch.full((8, 8), i + 1).byte(), side[:, None].expand(8, 8), side.expand(8, 8)]
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(torch.stack(planes, dim=2).numpy()).save(paths[-1])
    return ImageFiles(paths, torch.arange(20), (8, 8))


def stream(files, seed=None, num_workers=0, transform=RANDOM):
    return Streamed(files, transform, 6, Preprocessing(), num_workers, "cpu", seed)


def walk(batches):
    inputs, labels = zip(*batches, strict=True)
    return torch.cat(inputs), torch.cat(labels)


def test_every_file_comes_once_per_epoch_with_its_label(image_files):
    batches = stream(image_files, seed=0, transform=v2.PILToTensor())
    orders = set()
    for epoch in range(10):
        batches.set_epoch(epoch)
        inputs, labels = walk(batches)
        assert torch.equal(inputs[:, 0, 0, 0].long() - 1, labels)
        assert torch.equal(labels.sort().values, torch.arange(20))
        orders.add(tuple(labels.tolist()))
    assert len(orders) == 10


def test_the_number_of_workers_changes_no_number(image_files):
    one, other = (walk(stream(image_files, seed=3, num_workers=number)) for number in (0, 2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


def test_each_image_of_each_epoch_is_augmented_by_itself(image_files):
    batches = stream(image_files, seed=0)
    seen = set()
    for epoch in range(5):
        batches.set_epoch(epoch)
        inputs, labels = walk(batches)
        for image, label in zip(inputs, labels.tolist(), strict=True):
            mine = torch.cat([image[:1] == label + 1, image[1:] / 16])
            seen.add(mine.numpy().tobytes())
    # 50 equally likely results, 100 draws: 43.4 different ones on average, standard deviation 2.2
    assert 33 <= len(seen) <= 50


def test_without_a_seed_the_files_come_as_listed(image_files):
    inputs, labels = walk(stream(image_files, transform=v2.PILToTensor()))
    assert labels.tolist() == list(range(20))
    assert inputs[:, 0, 0, 0].tolist() == list(range(1, 21))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_damaged_image_is_one_sentence_in_any_process(image_files, num_workers, sentence):
    path = image_files.paths[13]
    path.write_bytes(path.read_bytes()[:60])
    text = sentence(lambda: walk(stream(image_files, 0, num_workers)))
    assert text.startswith(f"{path} is no readable image (")


def test_an_image_of_another_size_is_one_sentence(image_files, sentence):
    Image.new("RGB", (5, 9)).save(image_files.paths[2])
    assert sentence(lambda: walk(stream(image_files))) == f"{image_files.paths[2]} is 5x9, not 8x8"


def test_grey_images_get_three_channels(image_files):
    Image.new("L", (8, 8), 7).save(image_files.paths[0])
    image, label = Decoded(image_files, v2.PILToTensor())[0, None]
    assert image.shape == (3, 8, 8)
    assert label == 0


def test_an_error_among_samples_is_passed_on(image_files):
    image_files.paths[1].unlink()
    data = Decoded(image_files, v2.PILToTensor())
    error = collate([data[0, None], data[1, None]])
    assert isinstance(error, Exception)
    assert "1.png is no readable image" in str(error)


@pytest.mark.gpu
def test_batches_arrive_on_the_gpu(image_files):
    batches = Streamed(image_files, RANDOM, 6, Preprocessing(255.0), 2, "cuda", 0)
    inputs, labels = walk(batches)
    assert inputs.device.type == labels.device.type == "cuda"
    oracle = walk(Streamed(image_files, RANDOM, 6, Preprocessing(255.0), 0, "cpu", 0))
    torch.testing.assert_close(inputs.cpu(), oracle[0], rtol=1e-6, atol=1e-6)
