"""The networks that are timed, as this project is told of them; the yardstick has the same names."""

from __future__ import annotations

MLP = ("model=mlp", "model.depth=10", "data=mnist")
WRN = ("model=wrn", "data=cifar10")
NETWORKS: dict[str, tuple[str, ...]] = {
    "mlp_10x128": (*MLP, "model.width=128"),
    "mlp_10x512": (*MLP, "model.width=512"),
    "wrn_10_1": (*WRN, "model.num_blocks=1"),
    "wrn_16_1": (*WRN, "model.num_blocks=2"),
    "resnet_56": ("model=resnet_cifar", "model.depth=56", "data=cifar10"),
}
TITLES = {
    "mlp_10x128": "MLP 10x128, MNIST",
    "mlp_10x512": "MLP 10x512, MNIST",
    "wrn_10_1": "WRN-10-1, CIFAR-10",
    "wrn_16_1": "WRN-16-1, CIFAR-10",
    "resnet_56": "ResNet-56, CIFAR-10",
}
CONVOLUTIONAL = ("wrn_10_1", "wrn_16_1", "resnet_56")
RECIPE = ("trainer.accelerator=cpu", "trainer.num_threads=1", "lr=0.01", "epochs=1")
GPU_RECIPE = ("trainer.accelerator=gpu", *RECIPE[1:])
PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}
