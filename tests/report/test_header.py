"""A result page says what its experiment cuts, and what the paper leaves open."""

from initlab.report.claim_report import ClaimReport
from initlab.report.claims import find
from initlab.report.evidence import Evidence
from initlab.report.header import sentences


def test_a_reduced_page_tells_every_cut_and_what_is_open() -> None:
    cut, left_open = sentences("risotto/fig13", reduced=True)
    assert cut.startswith("Laptop form: CIFAR-10 stands in for CIFAR-100, a tenth of the blocks")
    assert cut.endswith(".")
    assert left_open.startswith("Open in the paper: ")
    assert sentences("risotto/fig13", reduced=False) == (left_open,)
    assert sentences("risotto/no_such_file", reduced=True) == ()


def test_the_sentences_stand_on_the_page() -> None:
    claim = find("risotto/fig13")
    assert claim is not None
    told = ClaimReport(claim, Evidence(claim.name, f"{claim.name}-laptop", reduced=True)).told
    assert [words.partition(":")[0] for words in told] == ["Laptop form", "Open in the paper"]
