"""What every data set keeps, over the files of configs/data."""

from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from subprocess import run
from sys import executable

import pytest
import torch
from omegaconf import OmegaConf

CONFIGS = sorted(Path(__file__).parents[2].joinpath("configs", "data").glob("*.yaml"))
NAMES = [path.stem for path in CONFIGS]
SMALL = {"num_workers": 0, "image_size": 16, "shape": [3, 8, 8], "train_size": 60, "test_size": 20}


def kind_of(name):
    return getattr(import_module(f"initlab.data.{name}"), "".join(map(str.capitalize, name.split("_"))))


def keys_of(kind):
    return {field.name for field in fields(kind)}


@pytest.fixture(params=NAMES)
def source(request):
    kind = kind_of(request.param)
    no_files = request.param in ("digits", "synthetic")
    root = request.getfixturevalue("no_root" if no_files else f"{request.param}_root")
    options = {key: value for key, value in {**SMALL, "root": root}.items() if key in keys_of(kind)}
    return kind(**options)


def walk(stream):
    batches = list(stream)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_there_are_data_sets():
    assert set(NAMES) == {
        *("digits", "mnist", "cifar10", "cifar100", "tiny_imagenet", "imagenet"),
        *("image_folder", "npz", "libsvm", "synthetic"),
    }


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_config_names_every_argument_with_its_default(path):
    text = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    kind = kind_of(path.stem)
    assert text.pop("_target_") == f"{kind.__module__}.{kind.__name__}"
    assert set(text) == keys_of(kind)
    assert text.pop("root", "${paths.data_dir}") == "${paths.data_dir}"
    for field in fields(kind):
        if field.name != "root":
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert default is not MISSING
            assert text[field.name] == default


def test_batches_are_float_inputs_of_the_shape_and_labels_of_the_classes(source):
    loaders = source.loaders(batch_size=7, seed=0, eval_batch_size=5)
    for stream in (loaders.train, loaders.val, loaders.test):
        batches = list(stream)
        assert len(batches) == len(stream) > 0
        for inputs, labels in batches:
            assert inputs.dtype == torch.float32
            assert tuple(inputs.shape[1:]) == source.input_shape
            assert labels.dtype == torch.int64
            assert labels.shape == inputs.shape[:1]
            assert int(labels.min()) >= 0
            assert int(labels.max()) < source.num_classes
    assert len(source.class_names) == source.num_classes


def test_the_last_batch_is_smaller_and_kept(source):
    one = source.loaders(batch_size=1, seed=0).train
    sizes = [len(labels) for _, labels in source.loaders(batch_size=len(one) - 1, seed=0).train]
    assert sizes == [len(one) - 1, 1]


def test_an_epoch_is_a_function_of_seed_and_number_alone(source):
    one, other = (source.loaders(batch_size=7, seed=3).train for _ in range(2))
    one.set_epoch(2)
    for epoch in (0, 5, 2):  # the other stream has walked before
        other.set_epoch(epoch)
        last = walk(other)
    assert same(walk(one), last)
    assert same(walk(one), last)  # and walking changes nothing


def test_another_epoch_and_another_seed_give_other_batches(source):
    stream = source.loaders(batch_size=7, seed=0).train
    first = walk(stream)
    stream.set_epoch(1)
    assert not same(first, walk(stream))
    assert not same(first, walk(source.loaders(batch_size=7, seed=1).train))


def test_evaluation_is_the_same_in_every_epoch_and_run(source):
    one, other = source.loaders(batch_size=7, seed=0), source.loaders(batch_size=9, seed=1)
    for name in ("val", "test"):
        getattr(other, name).set_epoch(4)
        assert same(walk(getattr(one, name)), walk(getattr(other, name)))


def test_nothing_is_drawn_from_the_global_generator(source):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    loaders = source.loaders(batch_size=7, seed=0)
    for stream in (loaders.train, loaders.val, loaders.test):
        walk(stream)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_folder_is_one_sentence_that_offers_digits(name, tmp_path, sentence):
    kind = kind_of(name)
    if "root" not in keys_of(kind):
        assert name in ("digits", "synthetic")
        return
    folder = tmp_path / "nowhere"
    text = sentence(lambda: kind(root=folder).loaders(batch_size=7, seed=0))
    assert str(folder) in text
    assert "data=digits" in text
    if "download" in keys_of(kind):
        assert "could not be downloaded" in text
        text = sentence(lambda: kind(root=folder, download=False).loaders(batch_size=7, seed=0))
        assert "data.download=false" in text
    assert not list(folder.rglob("*.*"))


def test_digits_need_neither_a_framework_nor_torchvision():
    code = (
        "import sys, initlab.data.digits; "
        "print({'torchvision', 'hydra', 'omegaconf', 'lightning', 'wandb'} & set(sys.modules))"
    )
    source = CONFIGS[0].parents[2] / "src"
    done = run([executable, "-c", code], capture_output=True, text=True, check=False, cwd=source)
    assert done.stdout.strip() == "set()", done.stderr
