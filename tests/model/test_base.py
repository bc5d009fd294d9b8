import pytest

from initlab.errors import ConfigError
from initlab.model.base import check_images, check_padding_mode, check_positive


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "4"])
def test_a_size_is_a_positive_whole_number(value):
    with pytest.raises(ConfigError, match=f"^model.depth={value}: must be a positive whole number$"):
        check_positive("model.depth", value)


def test_a_good_size_is_passed_on():
    assert check_positive("model.depth", 3) == 3


def test_images_have_three_dimensions():
    assert check_images("cnn", (3, 8, 9)) == 3
    with pytest.raises(ConfigError, match=r"model=cnn takes images \(C, H, W\), not inputs of shape \(20,\)"):
        check_images("cnn", (20,))


def test_padding_is_zeros_or_circular():
    check_padding_mode("circular")
    with pytest.raises(ConfigError, match=r"model\.padding_mode=reflect: must be zeros or circular"):
        check_padding_mode("reflect")
