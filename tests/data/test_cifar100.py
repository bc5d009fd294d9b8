from torchvision import datasets

from initlab.data.cifar10 import Cifar10
from initlab.data.cifar100 import Cifar100


def test_reads_the_fine_labels(cifar100_root):
    source = Cifar100(root=cifar100_root)
    assert source.num_classes == 100
    assert [len(part) for part in source.parts] == [18, 2, 20]
    assert source.parts.test.labels.tolist() == list(range(20))


def test_is_normalized_as_cifar10(cifar100_root):
    train = Cifar100(root=cifar100_root).parts.train.inputs
    assert Cifar100(root=cifar100_root).preprocessing(train) == Cifar10(root="").preprocessing(train)


def test_a_damaged_file_is_one_sentence(cifar100_root, sentence):
    path = cifar100_root / datasets.CIFAR100.base_folder / "train"
    path.write_bytes(b"")
    assert sentence(lambda: Cifar100(root=cifar100_root).parts).startswith("CIFAR-100: ")
