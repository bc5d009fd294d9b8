"""The reader of ``.wandb`` files that other tests trust, on files made by the description of the format."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_file import BLOCK, Broken, records, write

# Sizes around the end of a block, where records are split, padded, or end exactly.
PAYLOADS = st.lists(
    st.one_of(st.integers(0, 40), st.integers(BLOCK - 40, BLOCK + 40), st.just(2 * BLOCK)).map(
        lambda size: bytes(index % 251 for index in range(size))
    ),
    max_size=4,
)


@settings(max_examples=30)
@given(payloads=PAYLOADS)
def test_what_was_written_is_read(payloads: list[bytes]) -> None:
    assert list(records(write(payloads))) == payloads


@pytest.mark.parametrize("size", [1, 200, BLOCK])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_byte_is_noticed(size: int, place: float) -> None:
    content = bytearray(write([b"first", b"x" * size]))
    assert len(list(records(bytes(content)))) == 2
    content[int(place * len(content))] ^= 1
    with pytest.raises(Broken):
        list(records(bytes(content)))


def test_a_file_that_ends_too_early_is_noticed() -> None:
    content = write([b"first", b"x" * BLOCK])
    for cut in (1, 100):
        with pytest.raises(Broken, match=r"cut short|no end"):
            list(records(content[:-cut]))
