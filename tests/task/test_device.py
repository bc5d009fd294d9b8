import pytest
import torch

from initlab.errors import ConfigError
from initlab.task.device import choose_device, device_name, set_threads


def test_auto_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    assert device_name(choose_device("cpu")) == "cpu"
    with pytest.raises(ConfigError, match="no CUDA device"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("gpu").type == choose_device("cuda").type == "cuda"
    assert choose_device("cpu").type == "cpu"


def test_an_accelerator_that_no_probe_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.accelerator=tpu"):
        choose_device("tpu")


def test_threads_are_set_if_a_number_is_given() -> None:
    before = torch.get_num_threads()
    try:
        set_threads(2)
        assert torch.get_num_threads() == 2
        set_threads(None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with pytest.raises(ConfigError, match=r"trainer\.num_threads=0"):
        set_threads(0)
