# make search / make report / make test: each sets up everything it needs, then runs. ARGS are passed on:
#   make search ARGS="--trials 40 --seed 7"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

.PHONY: search test test-fast check ui report study walkthrough bench bench-aa clean

search: $(READY)
	@$(BIN)/python -m harness.search $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest $(ARGS)

test-fast: $(READY)
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

ui: $(READY)
	@$(BIN)/python -m harness.ui $(ARGS)

report: $(READY)
	@$(BIN)/python -m harness.replicate --all $(ARGS)
	@$(BIN)/python -m analysis.report $(filter --quick,$(ARGS))

study: $(READY)
	@$(BIN)/python -m analysis.study $(ARGS)

walkthrough: $(READY)
	@$(BIN)/python -m analysis.walkthrough $(ARGS)

bench: $(READY)
	@$(BIN)/python benchmarks/epoch_cost.py $(ARGS)
	@$(BIN)/python benchmarks/search_cost.py $(ARGS)
	@$(BIN)/python benchmarks/growth_cost.py $(ARGS)
	@$(BIN)/python benchmarks/memory_cost.py $(ARGS)
	@$(BIN)/python benchmarks/gpu_cost.py $(ARGS)

bench-aa: $(READY)
	@$(BIN)/python benchmarks/aa_study.py $(ARGS)

# Made anew whenever the dependencies change; otherwise costs nothing.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): torch, MLflow, Optuna and the rest."
	@echo "The first time this downloads about 3 GB, fills about 6 GB and takes some minutes. pip says what it does:"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	@$(BIN)/python -c 'import torch, torchvision, mlflow, optuna'
	@touch $(READY)
	@echo "$(VENV) is ready."

clean:
	rm -rf $(VENV) *.egg-info
