import pytest

from initlab.errors import ConfigError
from initlab.model.residual_plan import branch_sizes, per_stage, planned


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_a_depth_counts_the_stem_the_convs_of_the_branches_and_the_head(depth):
    kind, lengths = planned(depth, None, None)
    assert 2 + sum(lengths) * len(branch_sizes(kind, 64, 1)["widths"]) == depth


def test_kind_and_lengths_may_be_given_instead():
    assert planned(None, None, None) == planned(18, None, None) == ("basic", [2, 2, 2, 2])
    assert planned(None, [9, 12, 69, 9], "bottleneck") == ("bottleneck", [9, 12, 69, 9])
    assert planned(50, None, "basic") == ("basic", [3, 4, 6, 3])


def test_a_bottleneck_widens_fourfold_and_strides_on_its_3x3():
    sizes = branch_sizes("bottleneck", 16, 2)
    assert sizes == {"widths": [16, 16, 64], "kernel_sizes": [1, 3, 1], "strides": [1, 2, 1]}
    assert branch_sizes("basic", 16, 2)["strides"] == [2, 1]


def test_values_are_cut_to_the_number_of_stages():
    assert per_stage("widths", [1, 2, 3], [7], 2) == [1, 2]
    assert per_stage("widths", None, [7, 8], 1) == [7]
    with pytest.raises(
        ConfigError, match=r"^model.widths=\[1\]: must have one value for each of the 2 stages$"
    ):
        per_stage("widths", [1], [7], 2)
