from initlab.schedule.constant import Constant


def test_never_decays() -> None:
    assert {Constant(epochs=100).factor(epoch) for epoch in range(100)} == {1.0}
