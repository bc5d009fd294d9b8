from pathlib import Path

import pytest
from rich.console import Console

from initlab.cli.probe import MOST_ROWS, evenly, number, page, shared_prefix
from initlab.cli.train import single
from initlab.sweep.compose import Composer, config_loader


def printed(metrics: dict[str, float | int | None], width: int = 100) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(page(metrics))
    return capture.get().rstrip().split("\n")


def deep(count: int) -> dict[str, float | int | None]:
    names = ("signal/forward_ratio", "signal/backward_ratio", "gr_scaling/weight")
    return {f"{name}/layer.{i}": 1.0 + i for name in names for i in range(count)}


def test_a_layer_is_one_line_with_what_each_diagnostic_says_of_it() -> None:
    lines = printed(deep(2) | {"signal/log10_forward_ratio/layer.0": 77.5})
    assert lines[1].split() == ["layer", "|h|/|x|", "|dL/da|", "GR"]
    assert lines[3].split() == ["0", "1", "1", "1"]
    assert lines[4].split() == ["1", "2", "2", "2"]
    assert "77.5" not in "\n".join(lines)


def test_the_inputs_come_first_and_a_metric_that_is_not_there_is_blank() -> None:
    lines = printed(deep(1) | {"correlation/cosine/layer.0": None, "correlation/cosine/input": 0.25})
    assert lines[3].split() == ["input", "0.25"]
    assert lines[4].split() == ["0", "1", "1", "-", "1"]


def test_a_deep_network_is_shown_at_even_steps_in_25_lines_of_numbers() -> None:
    overall = {"summary/parameters": 1234567, "hessian/spectral_norm": 12.3456}
    lines = printed(deep(500) | overall)
    assert (
        len([line for line in lines if len(line.split()) == 4 and line.split()[0].isdigit()])
        == MOST_ROWS - 2
        < 25
    )
    assert any(line.startswith(" 499 ") for line in lines)
    assert "22 of 500 layers and blocks; all are in the CSV files" in lines
    assert [line.split() for line in lines[-2:]] == [
        ["summary/parameters", "1,234,567"],
        ["hessian/spectral_norm", "12.3"],
    ]


def test_a_single_diagnostic_is_shown_with_all_its_numbers() -> None:
    lines = printed({"hessian/spectral_norm": 3.0, "hessian/num_products": 9, "hessian/residual": None})
    assert [line.split() for line in lines] == [["hessian/spectral_norm", "3"], ["hessian/num_products", "9"]]


def test_even_steps_hold_both_ends() -> None:
    assert evenly("abcdefghi", 3) == ["a", "e", "i"]
    assert evenly("ab", 3) == ["a", "b"]
    assert evenly("ab", 1) == ["a"]
    assert evenly("ab", 0) == []


def test_what_all_names_begin_with_is_left_out() -> None:
    assert shared_prefix(["network.a.x", "network.a.y", "network.b"]) == "network."
    assert shared_prefix(["network.conv1", "network.conv11"]) == "network."
    assert shared_prefix(["stem", "stages.0"]) == shared_prefix([]) == ""


def test_numbers_are_short() -> None:
    assert [number(x) for x in (None, 5, 1e-31, 0.123456)] == ["-", "5", "1e-31", "0.123"]


def test_a_single_probe_ends_with_the_table_and_a_second_one_shows_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["task=probe", "model=mlp", "model.depth=2", "model.width=8", "norm=none", "init=he"]
    words += ["data=synthetic", "data.shape=[6]", "data.train_size=20", "trainer.accelerator=cpu"]
    with config_loader() as loader:
        config = Composer(loader).compose([*words, f"paths.output_dir={tmp_path}"])
    shown = []
    for _ in range(2):
        assert single(config) == 0
        shown.append(capsys.readouterr().err.split("\n"))
    tables = [
        [line for line in lines if line.lstrip().startswith(("layer", "hidden.", "head"))] for lines in shown
    ]
    assert len(tables[0]) == 4
    assert tables[0] == tables[1]
    assert "has its result already" in shown[1][0]
