"""The recipes of CONTRIBUTING.md work as they stand, without a file of theirs in the tree."""

import re
import sys
from types import ModuleType

import pytest
import torch
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from torch import nn

import components
from initlab import initialize
from initlab.norm.weight import Weight
from initlab.sweep.compose import Composer
from initlab.sweep.plan import plan

PAGE = (components.ROOT / "CONTRIBUTING.md").read_text()
# A line that starts with a file's name, and the block of code below it.
FILES = dict(re.findall(r"^`([\w/]+\.\w+)`[^\n]*\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMPONENTS = [path for path in FILES if path.startswith("src/")]


@pytest.fixture
def modules(monkeypatch):
    """The modules of the recipes, importable for the length of a test."""
    for path in COMPONENTS:
        name = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(FILES[path], path, "exec"), module.__dict__)


def build(path, **supplied):
    values = yaml.safe_load(FILES[path])
    module, _, attribute = values.pop("_target_").rpartition(".")
    return getattr(sys.modules[module], attribute)(**values, **supplied)


def test_the_recipes_are_found():
    assert len(COMPONENTS) == 2
    assert len(FILES) == 7


@pytest.mark.parametrize("path", FILES)
def test_a_recipe_is_of_a_file_that_is_not_there(path):
    assert not (components.ROOT / path).exists()
    assert (components.ROOT / path).parent.is_dir()


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("tests/")])
def test_the_test_of_a_recipe_passes(path):
    namespace = {"__name__": path}
    exec(compile(FILES[path], path, "exec"), namespace)
    tests = [function for name, function in namespace.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


@pytest.mark.usefixtures("modules")
def test_the_init_and_the_network_fit_together(rng):
    options = {"input_shape": (1, 8, 8), "num_classes": 10, "norm": Weight()}
    model = build("configs/model/lenet_dense.yaml", **options)
    for parameter in model.parameters():
        nn.init.constant_(parameter, float("nan"))
    initialize(model, build("configs/init/xavier.yaml"), rng)
    assert bool(torch.isfinite(model(torch.randn(4, 1, 8, 8, generator=rng))).all())


def test_the_experiment_has_the_cells_that_its_head_promises(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "depth.yaml").write_text(FILES["configs/experiment/depth.yaml"])
    for entry in components.CONFIGS.iterdir():
        if entry.name != "experiment":
            (tmp_path / entry.name).symlink_to(entry)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        composer = Composer(GlobalHydra.instance().config_loader())
        cells = plan(composer, ["experiment=depth"]).cells
        more = plan(composer, ["experiment=depth", "seed=0-9"]).cells
    assert len(cells) == 24
    assert len({cell.run_id for cell in more} - {cell.run_id for cell in cells}) == 7 * 8


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([\w-]+)`", PAGE))))
def test_a_make_target_that_the_page_names_exists(target):
    assert re.search(rf"^{target}:", (components.ROOT / "Makefile").read_text(), re.MULTILINE)
