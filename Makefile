# make bench-cifar10     train on CIFAR-10 and print the table
# make bench-cifar100    the same for CIFAR-100
# make test              ruff, mypy, pytest
# make test-slow         the tests that take minutes; FASTCIFAR_FUZZ=3000 is the number of inputs of each fuzzer
#
# Each sets up what it needs, once, in .venv.
#   PYTHON=python3.12    the interpreter of .venv
#   NO_VENV=1            use PYTHON's environment as it is, install nothing
#   TORCH=torch          the torch to install where .venv has none; by default the version of the tests and tables
#   RECIPE= EPOCHS= DEVICE=   of the two benchmarks; by default resnet9 on a GPU, resnet9-tiny on a CPU
#   RUNS=10 TARGET=94    train so many times: means, 95 % intervals, share that reached that accuracy

PYTHON ?= python3
TORCH ?= torch==2.13.0

ifdef NO_VENV
  PY := $(PYTHON)
  RUN_READY :=
  TEST_READY :=
else
  PY := .venv/bin/python
  RUN_READY := .venv/.ready-to-run
  TEST_READY := .venv/.ready-to-test
endif

BENCH = $(PY) -m fastcifar train $(RECIPE) --or-synthetic \
  $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(DEVICE),--device $(DEVICE)) \
  $(if $(RUNS),--runs $(RUNS)) $(if $(TARGET),--target $(TARGET))

.PHONY: bench-cifar10 bench-cifar100 test test-slow

bench-cifar10: $(RUN_READY)
	@$(BENCH) --dataset cifar10

bench-cifar100: $(RUN_READY)
	@$(BENCH) --dataset cifar100

test: $(TEST_READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

test-slow: $(TEST_READY)
	$(PY) -m pytest -m slow --numprocesses auto --maxprocesses 8 --dist worksteal

.venv/.ready-to-run: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -c "import torch" 2>/dev/null || \
	  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.ready-to-test: .venv/.ready-to-run
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
