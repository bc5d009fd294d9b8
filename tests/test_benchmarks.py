"""The yardstick computes what this project computes, and the clock counts what was spent."""

import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import cases, measuring
from benchmarks.contenders import Sources, composed, ours
from benchmarks.yardstick import __main__ as yardstick
from benchmarks.yardstick import networks
from benchmarks.yardstick.data import ImageData, transform
from benchmarks.yardstick.module import Module
from PIL import Image
from torch import nn
from torch.nn import functional as F

from initlab.data.augmentation import Augmentation
from initlab.init import initialize
from initlab.model.mlp import Mlp
from initlab.model.wrn import Wrn
from initlab.norm.weight import Weight
from initlab.task.build import build_model, build_source

TRAIN, TEST = 300, 40


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A small MNIST of random pixels in the files that torchvision reads."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, *images.shape) + images.tobytes()
        )
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    return tmp_path


def pair(kind: str) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """A network of ours with the proposed init, the yardstick's with its weights, and inputs; in float64."""
    rng = torch.Generator().manual_seed(0)
    if kind == "mlp":
        mine: nn.Module = Mlp(3, 16, (1, 28, 28), 10, Weight())
        theirs: nn.Module = networks.Mlp(3, 16)
        inputs = torch.randn(8, 1, 28, 28, generator=rng, dtype=torch.float64)
    else:
        mine = Wrn(1, input_shape=(3, 32, 32), num_classes=10, norm=Weight())
        theirs = networks.Wrn(1)
        inputs = torch.randn(4, 3, 32, 32, generator=rng, dtype=torch.float64)
    initialize(mine, "proposed", generator=rng)
    return mine.double(), theirs.double(), inputs


def copy_weights(mine: nn.Module, theirs: nn.Module) -> None:
    with torch.no_grad():
        for source, target in zip(mine.parameters(), theirs.parameters(), strict=True):
            target.copy_(source)


def test_the_same_networks_are_timed():
    assert list(yardstick.NETWORKS) == list(cases.NETWORKS) == list(cases.TITLES)


@pytest.mark.parametrize("name", cases.NETWORKS)
def test_a_network_has_as_many_parameters_of_the_same_shapes(name, tmp_path):
    config = composed(name, tmp_path)
    mine = build_model(config, build_source(config))
    data_name, build = yardstick.NETWORKS[name]
    assert data_name == config["data"]["name"]
    theirs = build()
    assert [p.shape for p in theirs.parameters()] == [p.shape for p in mine.parameters()]


@pytest.mark.parametrize("kind", ["mlp", "wrn"])
def test_equal_weights_give_equal_losses_over_five_steps(kind):
    mine, theirs, inputs = pair(kind)
    labels = torch.arange(len(inputs)) % 10
    before = [F.cross_entropy(network(inputs), labels).item() for network in (mine, theirs)]
    assert before[0] != pytest.approx(before[1], rel=1e-3)  # control: with weights of its own
    copy_weights(mine, theirs)
    recipe = {"momentum": 0.9, "weight_decay": 5e-4}
    module = Module(theirs, lr=0.02, epochs=1)
    optimizers = (
        torch.optim.SGD(mine.parameters(), 0.02, **recipe, fused=True),
        (module.configure_optimizers()["optimizer"]),
    )
    losses: list[list[float]] = []
    for _ in range(5):
        found = [F.cross_entropy(mine(inputs), labels), module.loss((inputs, labels))[0]]
        losses.append([loss.item() for loss in found])
        for loss, optimizer in zip(found, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for one, other in losses:
        assert one == pytest.approx(other, rel=1e-9)  # rounding of 1e-16, amplified
    assert losses[-1][0] < losses[0][0] - 1e-3  # the steps did something


@pytest.mark.parametrize("init", ["pytorch", "proposed"])
@pytest.mark.parametrize("kind", ["mlp", "wrn"])
def test_an_init_gives_every_layer_the_same_gains_and_row_norms(kind, init):
    mine, theirs, _ = pair(kind)
    initialize(mine, init, generator=torch.Generator().manual_seed(1))
    networks.initialize(theirs, init)
    pairs = list(zip(mine.named_parameters(), theirs.named_parameters(), strict=True))
    gains = [
        (one.detach(), other.detach()) for (name, one), (_, other) in pairs if name.endswith("original0")
    ]
    assert len(gains) == (3 if kind == "mlp" else 9)
    for one, other in gains:
        # Row norms of a matrix with fewer columns than rows are random; their squares sum to its rank.
        assert float(one.square().sum()) == pytest.approx(float(other.square().sum()), rel=1e-5)
    biases = [other for (name, one), (_, other) in pairs if name.endswith("bias") and "head" not in name]
    assert biases
    assert not any(bias.any() for bias in biases)


def test_the_yardsticks_crops_and_flips_have_our_distribution():
    """Each of the 9 * 9 * 2 outcomes is counted for both; a pixel value tells where it came from."""
    count, cells = 2000, 9 * 9 * 2
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = np.arange(32)[:, None] + 1, np.arange(32) + 1, 1
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])

    def outcome(inputs: torch.Tensor) -> torch.Tensor:
        """Row, column and direction of the pixel in the middle, from normalized ``(N, 3, H, W)``."""
        stored = (inputs * std.view(3, 1, 1) + mean.view(3, 1, 1)) * 255
        row, column, after = stored[:, 0, 16, 16], stored[:, 1, 16, 16], stored[:, 1, 16, 17]
        flipped = (after < column).long()
        column = torch.where(flipped == 1, 33 - column, column)
        row, column = row.round().long() - 13, column.round().long() - 13
        assert 0 <= int(row.min()) <= int(row.max()) <= 8
        assert 0 <= int(column.min()) <= int(column.max()) <= 8
        return torch.bincount((row * 9 + column) * 2 + flipped, minlength=cells).double()

    torch.manual_seed(0)
    augment = transform("cifar10", augment=True)
    theirs = outcome(torch.stack([augment(Image.fromarray(image)) for _ in range(count)]))
    stored = torch.from_numpy(image).permute(2, 0, 1).expand(count, -1, -1, -1)
    augmentation = Augmentation(crop_flip=True)
    draws = augmentation.draw(count, 32, 32, torch.Generator().manual_seed(0), torch.device("cpu"))

    def normalized(images: torch.Tensor) -> torch.Tensor:
        return (images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)

    mine = outcome(normalized(augmentation.move(stored, draws)))
    # Chi-squared of two samples of equal size, 161 degrees of freedom: mean 161, deviation 18; six of them.
    assert statistic(mine, theirs) < 161 + 6 * 18
    still = outcome(normalized(stored))  # control: images that are not moved
    assert statistic(still, theirs) > 161 + 6 * 18


def statistic(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(((one - other).square() / (one + other).clamp_min(1)).sum())


def test_both_walk_the_same_number_of_batches_and_see_the_same_pixels(digits):
    data = ImageData("mnist", digits)
    data.setup()
    config = composed("mlp_10x128", digits)
    source = Sources().of(config)
    _, _, loaders = ours(config, source)
    assert len(loaders.train) == len(data.train_dataloader()) == 3  # 270 in batches of 128
    assert len(data.val_set) == TRAIN // 10
    theirs = torch.cat([inputs for inputs, _ in data.test_dataloader()])
    mine = torch.cat([inputs for inputs, _ in loaders.test])
    assert torch.equal(theirs, mine)
    assert float(mine.amin()) == -0.5  # the range says that both were normalized
    kept = {tuple(map(int, image.flatten())) for image in data.train_set.dataset.data[data.train_set.indices]}
    held = {tuple(map(int, image.flatten())) for image in data.val_set.dataset.data[data.val_set.indices]}
    assert not kept & held
    assert len(kept) + len(held) == TRAIN


def test_the_yardstick_trains_and_tests_in_one_call(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(yardstick.NETWORKS, "mlp_10x128", ("mnist", lambda: networks.Mlp(2, 8)))
    command = ["--network", "mlp_10x128", "--data-dir", str(digits), "--output-dir", str(tmp_path / "out")]
    trainer = yardstick.main([*command, "--accelerator", "cpu", "--epochs", "2"])
    assert trainer.global_step == 2 * 3
    table = next((tmp_path / "out").glob("**/metrics.csv")).read_text()
    assert {"train/loss", "val/acc", "test/acc"} <= set(table.splitlines()[0].split(","))


def test_contenders_take_turns_in_changing_order():
    calls: list[str] = []

    def contender(name: str) -> measuring.Contender:
        def act() -> measuring.Spent:
            calls.append(name)
            return measuring.Spent(len(calls), 0.0)

        return act

    spent = measuring.compare({"a": contender("a"), "b": contender("b")}, rounds=3)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert [one.cpu for one in spent["b"]] == [2, 3, 6]


def test_the_clock_counts_work_and_not_sleep_and_the_children_too():
    def spin() -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    worked = measuring.repeated(spin, times=3, warmup=1)()
    slept = measuring.repeated(lambda: time.sleep(0.02), times=3)()
    assert worked.cpu >= 0.02
    assert worked.wall >= 0.02
    assert slept.wall >= 0.02
    assert slept.cpu < slept.wall
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3:.*gone wrong"):
        measuring.run([measuring.sys.executable, "-c", "print('gone wrong'); raise SystemExit(3)"])


def test_the_memory_of_a_program_is_what_it_held():
    """Measured from a small process: what a process held before it became another program counts."""
    held = "run([sys.executable, '-c', 'bytearray(2**27)']).memory"
    code = f"from benchmarks.measuring import run, sys; print({held})"
    command = [measuring.sys.executable, "-c", code]
    told = subprocess.run(command, cwd=measuring.ROOT, capture_output=True, text=True, check=True)
    assert 2**27 < int(told.stdout) < 2**28


def test_quartiles_are_those_of_numpy():
    for values in ([3.0], [1.0, 5.0], [4.0, 1.0, 3.0, 2.0, 9.0, 7.0]):
        assert measuring.quartiles(values) == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))
