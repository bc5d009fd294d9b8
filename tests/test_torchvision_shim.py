"""torchvision is imported where its compiled library loads, and where it does not."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from initlab.torchvision_shim import library_loads

SRC = Path(__file__).parents[1] / "src"
FAKE = """
import torch
DECLARED = hasattr(torch.ops.torchvision, "nms")
"""


def python(code, *paths):
    """Run code in a fresh interpreter that finds packages in ``paths`` first; return exit code and output."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(map(str, paths)), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


def installed():
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def fake_package(tmp_path, library):
    """A torchvision whose compiled library is the given bytes, or missing."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(FAKE)
    if library is not None:
        (package / "_C.so").write_bytes(library)
    return package


def a_library_that_loads():
    """Any extension module: what is in it does not matter, only that the linker accepts it."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    return next(Path(np.__file__).parent.rglob(f"_umath_tests{suffix}")).read_bytes()


def test_importing_initlab_imports_neither_torch_nor_torchvision():
    code, output, errors = python(
        "import sys, initlab; print([name for name in ('torch', 'torchvision') if name in sys.modules])", SRC
    )
    assert (code, output) == (0, "[]"), errors


def test_torchvision_is_imported_after_initlab_whatever_its_library():
    code, output, errors = python(
        "import initlab, torchvision, torchvision.transforms.v2, torchvision.datasets; "
        "print(torchvision.__spec__.name, type(torchvision.__loader__).__name__)",
        SRC,
    )
    assert (code, output) == (0, "torchvision SourceFileLoader"), errors


def test_without_initlab_a_torchvision_whose_library_does_not_load_fails():
    if library_loads(installed()):
        pytest.skip("the library of the installed torchvision can be loaded")
    code, _, errors = python("import torchvision")
    assert code != 0
    assert "operator torchvision::nms does not exist" in errors


@pytest.mark.parametrize("library", [None, b"no library at all"], ids=["missing", "broken"])
def test_the_operators_are_declared_before_the_first_line_where_no_library_loads(tmp_path, library):
    fake_package(tmp_path, library)
    code, output, errors = python(
        "import sys; before = len(sys.meta_path); import initlab; initlab.torchvision_shim.arm(); "
        "armed = len(sys.meta_path); import torchvision; print(torchvision.DECLARED, armed - before, "
        "any(type(finder).__module__.startswith('initlab') for finder in sys.meta_path))",
        SRC,
        tmp_path,
    )
    # armed twice, there is one finder, and it goes after its work
    assert (code, output) == (0, "True 1 False"), errors


def test_nothing_is_declared_where_the_library_loads(tmp_path):
    package = fake_package(tmp_path, a_library_that_loads())
    assert library_loads(package)
    code, output, errors = python("import initlab, torchvision; print(torchvision.DECLARED)", SRC, tmp_path)
    assert (code, output) == (0, "False"), errors


def test_a_torchvision_that_was_imported_before_is_left_alone(tmp_path):
    fake_package(tmp_path, None)
    code, output, errors = python(
        "import sys, torchvision; before = len(sys.meta_path); import initlab; "
        "print(torchvision.DECLARED, len(sys.meta_path) - before)",
        SRC,
        tmp_path,
    )
    assert (code, output) == (0, "False 0"), errors


def test_a_missing_torchvision_is_reported_as_usual():
    code, _, errors = python(
        "import sys, initlab; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]; "
        "import torchvision",
        SRC,
    )
    assert code != 0
    assert "No module named 'torchvision'" in errors


def test_to_look_for_torchvision_does_not_disarm_the_cure(tmp_path):
    fake_package(tmp_path, None)
    look = "import initlab; from importlib.util import find_spec; assert find_spec('torchvision')"
    code, output, errors = python(f"{look}; import torchvision; print(torchvision.DECLARED)", SRC, tmp_path)
    assert (code, output) == (0, "True"), errors
