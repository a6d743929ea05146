# Each target installs what it needs, then runs. ARGS are passed on:
#   make search ARGS="--trials 40 --seed 7"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
ARGS ?=
# Tests run in so many processes. Those of one file share costly fixtures, and so one process. In the order of their
# paths, costly files come early, so that no process ends long after the others.
TEST_JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: search test test-slow test-all check translations ui report study walkthrough bench bench-aa clean

search: $(READY)
	@$(BIN)/python -m harness.search $(ARGS)

ui: $(READY)
	@$(BIN)/python -m harness.ui $(ARGS)

report: $(READY)
	@$(BIN)/python -m harness.replicate --all $(shell printf '%s' "$(ARGS)" | sed -E 's/--lang[ =][^ ]+//')
	@$(BIN)/python -m analysis.report $(shell printf '%s' "$(ARGS)" | grep -oE -e '--quick|--(dataset|lang)[ =][^ ]+')

study: $(READY)
	@$(BIN)/python -m analysis.study $(ARGS)

walkthrough: $(READY)
	@$(BIN)/python -m analysis.walkthrough $(ARGS)

test: $(READY_DEV)
	@$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(READY_DEV)
	@$(PYTEST) -m slow $(ARGS)

test-all: $(READY_DEV)
	@$(PYTEST) $(ARGS)

check: $(READY_DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Brings new texts into the Chinese catalogue, where their translations are written, and takes out old ones.
translations: $(READY_DEV)
	@$(BIN)/pybabel -q extract -F pyproject.toml -k N_ --no-location --sort-output -o $(VENV)/messages.pot harness analysis
	@$(BIN)/pybabel -q update -i $(VENV)/messages.pot -o analysis/locale/zh.po -l zh_CN --no-fuzzy-matching --ignore-obsolete --no-wrap

bench: $(READY_DEV)
	@$(BIN)/python benchmarks/epoch_cost.py $(ARGS)
	@$(BIN)/python benchmarks/search_cost.py $(ARGS)
	@$(BIN)/python benchmarks/growth_cost.py $(ARGS)
	@$(BIN)/python benchmarks/optimizer_cost.py $(ARGS)
	@$(BIN)/python benchmarks/memory_cost.py $(ARGS)
	@$(BIN)/python benchmarks/gpu_cost.py $(ARGS)

bench-aa: $(READY_DEV)
	@$(BIN)/python benchmarks/aa_study.py $(ARGS)

# Made again when the dependencies change.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): torch, MLflow, Optuna and what they need."
	@echo "The first time this downloads about 3 GB, uses about 6 GB of disk and takes some minutes. Output of pip:"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; choose one with make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -c constraints.txt -e .
	@$(BIN)/python -c 'import torch, torchvision, mlflow, optuna'
	@touch $(READY)
	@echo "$(VENV) is ready."

# What only developers need: Ray, PostgreSQL, notebooks, the tests and the checks.
$(READY_DEV): $(READY)
	@echo "Adding what tests and checks need. Output of pip:"
	@$(BIN)/python -m pip install -c constraints.txt -e '.[test,check]'
	@touch $(READY_DEV)

clean:
	rm -rf $(VENV) *.egg-info
