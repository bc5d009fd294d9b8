"""A component has one name: its config file, its module, its class and its test file."""

import inspect
from importlib import import_module

import pytest

import components

# Test files of a property that several modules share.
SHARED_PROPERTIES = {"contract", "gr_balance"}
GROUPS = ["model", "init", "norm", "data", "schedule", "diagnostic"]
FILLED = [group for group in GROUPS if (components.CONFIGS / group).is_dir()]
OPTIONS = [(group, name) for group in FILLED for name in components.names(group)]
MODULES = [
    (group, path.stem)
    for group in GROUPS
    for path in sorted((components.ROOT / "src" / "initlab" / group).glob("*.py"))
    if path.stem != "__init__"
]
# Arguments that the task hands over when it builds a component, so that no YAML file names them.
GIVEN = {"model": {"input_shape", "num_classes", "norm"}}


def class_name(module):
    return "".join(part.capitalize() for part in module.split("_"))


def test_components_are_found():
    assert {"model", "init", "norm"} <= set(FILLED)
    assert ("init", "proposed") in OPTIONS
    assert ("init", "proposed") in MODULES


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_a_config_file_names_the_class_of_its_own_module(group, name):
    """Or, for a preset, that of a module that has a config file of its own in the same group."""
    path = components.config(group, name).get("_target_")
    if path is None:
        pytest.skip(f"{group}={name} builds nothing")
    package, module, _ = path.rsplit(".", 2)
    assert package == f"initlab.{group}"
    assert module == name or module in components.names(group)
    assert inspect.isclass(components.target(group, name))


# `none` cannot be a class called None.
@pytest.mark.parametrize(("group", "name"), [option for option in OPTIONS if option[1] != "none"])
def test_a_class_has_the_name_of_its_module(group, name):
    path = components.config(group, name).get("_target_")
    if path is None:
        pytest.skip(f"{group}={name} builds nothing")
    _, module, found = path.rsplit(".", 2)
    assert found == class_name(module)


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_a_config_file_names_arguments_of_its_class_and_no_other(group, name):
    keys = {key for key in components.config(group, name) if not key.startswith("_") and key != "defaults"}
    if not keys:
        pytest.skip(f"{group}={name} has no options")
    if "_target_" not in components.config(group, name):  # several options of the group under their names
        assert keys <= set(components.names(group))
        for part, options in components.config(group, name).items():
            if part in keys:
                assert set(options) <= set(inspect.signature(components.target(group, part)).parameters)
        return
    arguments = inspect.signature(components.target(group, name)).parameters
    if any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values()):
        pytest.skip(f"{group}={name} hands its options on")
    assert keys <= set(arguments)
    assert not keys & GIVEN.get(group, set())


@pytest.mark.parametrize(
    ("group", "name"), [option for option in OPTIONS if option[0] in ("model", "init", "norm")]
)
def test_a_config_file_names_every_argument(group, name):
    arguments = inspect.signature(components.target(group, name)).parameters.values()
    named = {a.name for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)}
    assert named - GIVEN.get(group, set()) <= set(components.config(group, name))


# A `base` that only declares an interface is tested by the contracts of its group.
@pytest.mark.parametrize(("group", "name"), [module for module in MODULES if module[1] != "base"])
def test_a_module_has_a_test_file(group, name):
    assert (components.ROOT / "tests" / group / f"test_{name}.py").is_file()


@pytest.mark.parametrize("group", FILLED)
def test_a_test_file_has_a_module(group):
    tests = {
        path.stem.removeprefix("test_") for path in (components.ROOT / "tests" / group).glob("test_*.py")
    }
    modules = {name for found, name in MODULES if found == group}
    assert tests - modules <= SHARED_PROPERTIES


@pytest.mark.parametrize("name", [name for group, name in MODULES if group == "init"])
def test_an_init_has_a_config_file(name):
    module = import_module(f"initlab.init.{name}")
    base = import_module("initlab.init").Init
    strategy = getattr(module, class_name(name), None)
    if inspect.isclass(strategy) and issubclass(strategy, base) and not inspect.isabstract(strategy):
        assert name in components.names("init")
    else:
        assert name not in components.names("init")
