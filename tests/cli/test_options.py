"""The options of a group are read from their files; none is imported."""

from pathlib import Path
from typing import Any

import pytest

from initlab.cli.options import docstring, group_of, groups, options, plain
from initlab.errors import ConfigError


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of configs and of a package that would fail if it were imported."""
    configs, package = tmp_path / "configs", tmp_path / "initlab"
    for folder in (
        configs / "init",
        configs / "experiment" / "arpit2019",
        configs / "hydra",
        package / "init",
    ):
        folder.mkdir(parents=True)
    (configs / "init" / "he.yaml").write_text(
        "_target_: initlab.init.he.He\nmode: fan_in  # choices\nscale: 1.0e-5\n"
    )
    (configs / "init" / "bare.yaml").write_text("_target_: initlab.init.bare.Bare\n")
    (configs / "init" / "foreign.yaml").write_text("_target_: torch.optim.SGD\nnesterov: false\n")
    (configs / "experiment" / "arpit2019" / "fig4.yaml").write_text(
        "# @package _global_\n# Fig. 4: seeds that diverge.\nlr: 0.1\n"
    )
    (package / "init" / "he.py").write_text(
        '"""Module."""\nraise SystemExit\nclass He:\n    """Draw.\n\n    More."""\n'
    )
    (package / "init" / "bare.py").write_text('"""The module\'s line."""\nclass Bare:\n    pass\n')
    return configs, package


def test_a_class_is_told_by_its_first_line_or_its_modules(tree: tuple[Path, Path]) -> None:
    found = {option.name: option for option in options("init", *tree)}
    assert found["he"].about == "Draw."
    assert found["he"].arguments == ("mode=fan_in", "scale=1e-05")
    assert found["bare"].about == "The module's line."
    assert found["foreign"].about == "torch.optim.SGD"
    assert found["foreign"].arguments == ("nesterov=false",)


def test_an_experiment_is_told_by_its_first_comment(tree: tuple[Path, Path]) -> None:
    [option] = options("experiment", *tree)
    assert (option.name, option.about, option.arguments) == (
        "arpit2019/fig4",
        "Fig. 4: seeds that diverge.",
        (),
    )


def test_groups_are_named_in_the_singular_or_the_plural(tree: tuple[Path, Path]) -> None:
    assert groups(tree[0]) == ["experiment", "init"]
    assert group_of("inits", tree[0]) == group_of("init", tree[0]) == "init"
    with pytest.raises(ConfigError, match=r"did you mean init\?"):
        group_of("innit", tree[0])


def test_every_option_of_the_repository_says_what_it_is(type_: Any) -> None:
    found = [option for group in groups() for option in options(group)]
    assert {"proposed", "mlp", "weight"} <= {option.name for option in found}
    assert [option.name for option in found if not option.about or "\\" in option.about] == []
    stdout = type_("list", "inits").stdout
    assert "directions=orthogonal, gain_mode=forward" in stdout


def test_what_is_not_ours_or_not_there_has_no_docstring(tree: tuple[Path, Path]) -> None:
    assert docstring("torch.nn.Linear", tree[1]) == ""
    assert docstring("initlab.init.none.None", tree[1]) == ""
    assert docstring("initlab.Init", tree[1]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"Gains :math:`g = \sqrt{\gamma\, n_{in} / n_{out}}` that", "Gains g = √(γ n_in / n_out) that"),
        (r"the weight :math:`\hat W = W / \|W\|`", "the weight Ŵ = W / ‖W‖"),
        (r"on :math:`\pm 1/\sqrt{\mathrm{fan\_in}}`", "on ± 1/√(fan_in)"),
        ("the ``width`` of :class:`~initlab.Site`", "the width of initlab.Site"),
    ],
)
def test_mathematics_is_written_plainly(text: str, expected: str) -> None:
    assert plain(text) == expected
