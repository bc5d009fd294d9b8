# make run: the main job from a fresh clone.   make test: the default suite.   make check: what a change must pass.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
# One thread per process: the suite runs in as many processes as there are cores.
export OMP_NUM_THREADS ?= 1

.PHONY: install install-rl run test test-all test-slurm check lint types layers docs smoke bench clean

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# With what task=rl wants beside.
install-rl: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-rl.lock

run: install
	$(BIN)/python train.py experiment=quickstart -m
	$(BIN)/python -m initlab report quickstart

test: install
	$(BIN)/python -m pytest -n auto

test-all: install
	$(BIN)/python -m pytest -n auto -m "not gpu and not slurm and not paper"

# Starts a SLURM cluster of its own on this machine; needs root, and Debian's packages.
test-slurm: install
	scripts/local_slurm.sh install
	$(BIN)/python -m pytest -vv -m slurm tests/slurm

check: test lint types layers

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

docs: install
	$(BIN)/python scripts/write_inits_page.py

smoke: install
	$(BIN)/python train.py debug=smoke paths.output_dir=outputs/smoke sweep.retry=[ok]

# Half an hour on 2 cores, on a machine that does nothing else; wants MNIST and CIFAR-10 in DATA_DIR.
DATA_DIR ?= data
bench: install
	$(BIN)/python -m benchmarks --data-dir $(DATA_DIR)

clean:
	rm -rf outputs/runs outputs/sweeps outputs/report
