"""docs/performance.md is what the script writes from the committed measurements; its verdicts are right."""

import importlib.util
import json

import pytest

import components

SCRIPT = components.ROOT / "scripts" / "write_performance_page.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("write_performance_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_writes_from_the_committed_measurements(script):
    assert script.PAGE.read_text() == script.page(script.RESULTS, script.NOTES)


def test_no_committed_measurement_was_made_in_a_hurry(script):
    for path in script.RESULTS.glob("*.json"):
        assert not json.loads(path.read_text()).get("quick"), path


def rows(case, **times):
    """Rows of one case, CPU and wall seconds alike unless a pair of lists is given."""
    found = []
    for variant, value in times.items():
        cpu, wall = value if isinstance(value, tuple) else (value, value)
        name = {"ours": "ours", "w0": "yardstick, 0 workers", "w2": "yardstick, 2 workers"}[variant]
        found.append({"case": case, "variant": name, "unit": "batch", "cpu_s": cpu, "wall_s": wall})
    return found


def content(**more):
    machine = {
        "cpu": "A", "cpu_family": "6", "cpu_model": "1", "flags": [], "cores": 2, "memory_gib": 8.0,
        "system": "Linux", "threads": 1, "versions": {"torch": "2"}, "load_at_start": 0.0,
    }  # fmt: skip
    return {
        "command": "python -m benchmarks.loader", "seconds": 1.0, "started": "2026-01-01T00:00:00",
        "machine": machine, "load_at_end": 0.0, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ({"ours": [1.0, 1.0, 1.0], "w0": [10.0, 11.0, 12.0], "w2": [20.0, 20.0, 20.0]}, "met"),
        ({"ours": [1.0, 1.0, 1.0], "w0": [20.0, 20.0, 20.0], "w2": [9.0, 9.0, 9.0]}, "**not met**"),
        # By one clock it is met, by the other not, with the variant that is best by that clock.
        ({"ours": [1.0], "w0": [20.0], "w2": ([40.0], [9.0])}, "**not met**"),
    ],
)
def test_a_target_is_met_against_the_best_variant_by_both_clocks(script, times, told):
    page = script.loader(content(rows=rows("cifar10", **times)))
    judged = [line for line in page.splitlines() if "| 10x |" in line]
    assert [line.split(" | ")[-1].rstrip(" |") for line in judged] == [told]


def test_memory_may_exceed_the_yardsticks_by_the_resident_data_and_no_more(script):
    def judged(ours):
        found = [
            {
                "case": "mlp_10x128",
                "variant": name,
                "memory_bytes": [peak * 2**20],
                "resident_bytes": 50 * 2**20,
            }
            for name, peak in (("ours", ours), ("yardstick", 500))
        ]
        return script.memory(content(rows=found))

    assert "| 550 | met |" in judged(550)
    assert "| 550 | **not met** |" in judged(551)


def test_the_page_says_from_the_flags_whether_bf16_can_be_fast(script):
    about = content()["machine"]
    assert "emulated" in script.machine(about)
    assert "emulated" not in script.machine({**about, "flags": ["avx512_bf16"]})
    assert "in hardware" in script.machine({**about, "flags": ["amx_tile", "amx_bf16"]})


def test_the_notes_are_the_last_part(script, tmp_path):
    notes = tmp_path / "notes.md"
    notes.write_text("## What was tried\n\nThis.\n")
    (tmp_path / "results").mkdir()
    page = script.page(tmp_path / "results", notes)
    assert page.endswith("\n## What was tried\n\nThis.\n")
    assert page.count("Not measured") == len(script.SECTIONS)
    (tmp_path / "results" / "loader.json").write_text(
        json.dumps(content(rows=rows("mnist", ours=[1.0], w0=[31.0])))
    )
    page = script.page(tmp_path / "results", notes)
    assert page.count("Not measured") == len(script.SECTIONS) - 1
    assert "| MNIST | 31x | 31x | 30x | met |" in page
