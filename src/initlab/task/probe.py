"""``task=probe``: measure the network that a fit would start from, on the batch that it would see first."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import initlab  # noqa: F401  (arms the torchvision cure before timm imports it)

# isort: split
import torch

from initlab.data.base import Source
from initlab.diagnostic.base import Diagnostic, Measurement
from initlab.errors import InitlabError, Refused
from initlab.progress import progress
from initlab.results.atomic import write_bytes
from initlab.results.run_folder import RunFolder
from initlab.results.table_csv import write_table
from initlab.task.build import (
    build,
    build_init,
    build_network,
    build_source,
    first_batch,
    generator,
)
from initlab.task.device import choose_device, device_name, set_threads
from initlab.task.logger import build_log, recording
from initlab.task.run import Outcome


def probe(
    config: Mapping[str, Any],
    folder: RunFolder,
    make_source: Callable[[Mapping[str, Any]], Source] = build_source,
) -> Outcome:
    """Measure one network and return all metrics.

    The network, with its weights, is the one that ``task=fit`` starts from with the same keys. It is measured
    on the first training minibatch of that run, ``batch_size`` inputs in the order and augmentation of the
    seed. Each diagnostic draws from a generator of its own, so it finds the same alone and among others.

    A diagnostic leaves ``<diagnostic>.csv``, ``.png`` and ``.svg`` in the run's folder. Of several, one that
    cannot measure this network leaves a sentence in the outcome and the others go on.

    Args:
        config: of the run.
        folder: of the run.
        make_source: what gives the minibatch.

    Raises:
        InitlabError: a part cannot be built, or the run's folder cannot be written to.
        Refused: the init does not fit the norm or the network, or no diagnostic can measure it.
    """
    diagnostics = build_diagnostics(config["diagnostic"])
    source, init = make_source(config), build_init(config)
    log = build_log(config, folder)
    device = choose_device(config["trainer"]["accelerator"])
    set_threads(config["trainer"]["num_threads"])
    loaders = source.loaders(config["batch_size"], seed=config["seed"])
    model = build_network(config, source, init, loaders).to(device)
    inputs, labels = first_batch(loaders)
    batch = inputs.to(device), labels.to(device)
    outcome = Outcome(device=device_name(device))
    problems: list[str] = []
    title = f"{config['model']['name']} {config['init']['name']} seed={config['seed']}"
    with recording(log, outcome):
        # On a GPU, convolutions in TF32 keep three digits, and a norm ratio wants more.
        with progress() as display, torch.backends.cudnn.flags(allow_tf32=False):
            bar = display.add_task(title, total=len(diagnostics))
            for name, diagnostic in diagnostics.items():
                display.update(bar, note=name)
                try:
                    measurement = diagnostic(model, batch, generator(config["seed"], f"diagnostic/{name}"))
                    outcome.metrics |= measurement.metrics()
                    files = rendered(measurement)
                except InitlabError as error:
                    problems.append(f"{name}: {error}")
                except Exception as error:
                    if len(diagnostics) == 1:
                        raise
                    # A crash is one, but it does not throw away what the others measured.
                    problems.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
                    outcome.status = "crashed"
                    outcome.traceback = (outcome.traceback or "") + traceback.format_exc()
                else:
                    write_table(folder.path / f"{name}.csv", measurement.rows())
                    for kind, content in files.items():
                        write_bytes(folder.path / f"{name}.{kind}", content)
                    log.measurement(name, measurement.rows(), folder.path / f"{name}.png")
                display.update(bar, advance=1)
            display.remove_task(bar)
        if len(problems) == len(diagnostics) and outcome.status == "ok":
            raise Refused("; ".join(problems))
        outcome.error = "; ".join(problems) or None
    return outcome


def build_diagnostics(node: Mapping[str, Any]) -> dict[str, Diagnostic]:
    """Build the diagnostic of the config by name, or each of a node that holds several, in their order."""
    if "_target_" in node:
        return {node["name"]: build(node)}
    return {name: build(options) for name, options in node.items() if name != "name"}


def rendered(measurement: Measurement) -> dict[str, bytes]:
    """Draw a measurement and return it as ``png`` and ``svg``; the same numbers give the same bytes."""
    import matplotlib

    png, svg = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "initlab"}):
        figure = measurement.figure()
        figure.savefig(png, format="png", dpi=160)
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}
