# `make` alone lists the tasks; each is one line. PYTHON names the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
.DEFAULT_GOAL := help
.PHONY: help setup run test check types bench build clean

help: ## List the tasks.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/dev ## Install into .venv with everything that development needs.

run: .venv/run ## Run an NFL Sunday (60,000 events a second, one minute) with its live view.
	$(BIN)/oddspipe run --sport nfl --source simulator --rate 60000 --duration 60 --seed 1

test: .venv/dev ## Pass every test.
	$(BIN)/python -m pytest -q

check: .venv/dev ## Check format, lint and import contracts.
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/lint-imports

types: .venv/dev ## Check types.
	$(BIN)/mypy

bench: .venv/dev ## Measure the normaliser and the price stage.
	PYTHONPATH=. $(BIN)/python benchmarks/bench_normaliser.py && PYTHONPATH=. $(BIN)/python benchmarks/bench_price.py

build: .venv/dev ## Build the source archive and the wheel into dist/.
	$(INSTALL) build && $(BIN)/python -m build

clean: ## Remove what was installed and built.
	rm -rf .venv build dist src/*.egg-info ext/*.so ext/*.c ext/build

# A stamp a set of extras: installed again only when what is installed from has changed.
.venv/run: pyproject.toml setup.py $(wildcard ext/*.pyx ext/*.pxd)
	@.ci/needs $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (about a minute, once) …"
	@$(INSTALL) -e '.[embedded]'
	@touch $@

.venv/dev: .venv/run
	@echo "installing what the tests need …"
	@$(INSTALL) -e '.[embedded,schema,dev]'
	@touch $@
