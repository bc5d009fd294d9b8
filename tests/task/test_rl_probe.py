"""The network that an agent would start from, measured on frames of its game."""

from initlab.task import run_task
from playing import needs_rl


@needs_rl
def test_the_network_is_measured_on_frames(compose):
    config = compose(
        "task=rl_probe", "model=impala", "model.num_blocks=1", "model.widths=[4,4]", "batch_size=4",
        "trainer.accelerator=cpu",
    )  # fmt: skip
    result = run_task(config)
    assert (result.status, result.error) == ("ok", None)
    assert any(name.startswith("signal/forward_ratio/sections.0") for name in result.metrics)


@needs_rl
def test_it_reads_what_a_probe_reads(compose):
    from initlab.results.identity import run_id

    base = run_id(compose("task=rl_probe"))
    assert run_id(compose("task=rl_probe", "lr=7", "epochs=3", "data=digits", "warmup_epochs=2")) == base
    assert run_id(compose("task=rl_probe", "batch_size=7")) != base
    assert run_id(compose("task=rl_probe", "rl=catch")) != base
