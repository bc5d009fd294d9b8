"""Numbers that make no sense are refused, one sentence each."""

import resource

import pytest

from initlab.errors import ConfigError
from initlab.rl import crew
from initlab.rl.options import Options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_workers": 0}, "rl.num_workers=0: must be a positive whole number"),
        ({"num_envs": 0}, "rl.num_envs=0: must be a positive whole number"),
        ({"num_steps": -1}, "rl.num_steps=-1: must be a positive whole number"),
        ({"discount": 1.5}, r"rl.discount=1.5: must lie in \[0, 1\]"),
        ({"entropy_weight": -0.1}, "rl.entropy_weight=-0.1: must not be negative"),
        ({"num_envs": 3, "frames_per_epoch": 100}, "rl.frames_per_epoch=100: must be a multiple of the 3"),
    ],
)
def test_a_wrong_number_is_told(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Options("CartPole-v1", **options)


def test_in_the_synchronous_form_one_process_has_the_environments_of_all():
    asynchronous, synchronous = (
        Options("CartPole-v1", num_workers=4, num_envs=5, synchronous=synchronous)
        for synchronous in (False, True)
    )
    assert (asynchronous.processes, asynchronous.envs_of_a_process) == (4, 5)
    assert (synchronous.processes, synchronous.envs_of_a_process) == (1, 20)


def test_more_workers_than_file_descriptors_are_refused(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    crew.check_descriptors(102)
    with pytest.raises(ConfigError, match=r"^rl.num_workers=103: .* 1024 \(ulimit -n\); 102 workers is the"):
        crew.check_descriptors(103)
