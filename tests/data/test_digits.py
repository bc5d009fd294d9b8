import torch

from initlab.data.digits import Digits


def test_the_parts_have_their_sizes_and_are_disjoint():
    parts = Digits().parts
    assert [len(part) for part in parts] == [1293, 144, 360]
    rows = torch.cat([part.inputs.flatten(1) for part in parts])
    assert len(rows.unique(dim=0)) == len(rows) == 1797  # no two digits are equal


def test_the_test_part_is_stratified_and_no_seed_changes_it():
    test = Digits().parts.test
    counts = torch.bincount(test.labels, minlength=10)
    assert counts.min() >= 34
    assert counts.max() <= 37
    other = Digits(split_seed=5, val_fraction=0.3).parts
    assert torch.equal(other.test.inputs, test.inputs)
    assert not torch.equal(other.val.inputs[:100], Digits(val_fraction=0.3).parts.val.inputs[:100])


def test_the_inputs_are_normalized_by_the_training_part():
    train = Digits().loaders(2000, seed=0).train
    inputs, _ = next(iter(train))
    assert abs(float(inputs.mean())) < 1e-5
    assert abs(float(inputs.std()) - 1) < 1e-3
    plain, _ = next(iter(Digits(normalize=False).loaders(2000, seed=0).train))
    assert (float(plain.min()), float(plain.max())) == (0.0, 1.0)


def test_a_class_is_recognized_by_its_nearest_neighbour():
    # 1-NN is right for about 98.5% of these digits: images and labels belong together
    train, _, test = Digits().parts
    distances = torch.cdist(test.inputs.flatten(1).float(), train.inputs.flatten(1).float())
    assert float((train.labels[distances.argmin(1)] == test.labels).double().mean()) > 0.95
