# `make` alone lists the tasks; each is one line. PYTHON names the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
STUBS = $(BIN)/stubtest --concise --allowlist tests/typing/stubtest.txt $(patsubst ext/%.pyx,oddspipe.ext.%,$(wildcard ext/_*.pyx))
.DEFAULT_GOAL := help
.PHONY: help setup run test check pure debug bench chaos mutants bench-kafka backtest docs matrix build clean

help: ## List the tasks.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/dev .venv/policy/stamp ## Install into .venv with everything that development needs.

run: .venv/run ## Run an NFL Sunday (60,000 events a second, one minute) with its live view.
	$(BIN)/oddspipe run --sport nfl --source simulator --rate 60000 --duration 60 --seed 1

test: .venv/dev .venv/policy/stamp ## Pass every test, the examples in docstrings among them.
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests --doctest-modules --pyargs oddspipe

check: .venv/dev ## Check format, lint, types, stubs and import contracts.
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(STUBS) && $(BIN)/lint-imports

pure: .venv/dev ## Run the fast tests on the plain-Python twins.
	ODDSPIPE_PURE=1 $(BIN)/python -m pytest -q -n 2 tests/unit tests/property

debug: .venv/dev ## Run them on extensions that check every index.
	.ci/debug $(BIN)/python

bench: .venv/dev ## Measure every bench_*.py; tables go to benchmarks/results too.
	@mkdir -p benchmarks/results; for one in benchmarks/bench_*.py; do echo "$$one"; \
	  PYTHONPATH=. $(BIN)/python $$one > benchmarks/results/$$(basename $$one .py).txt || exit 1; \
	  cat benchmarks/results/$$(basename $$one .py).txt; done

chaos: .venv/dev ## Kill and freeze at random for MINUTES=5 with SEED=1, then verify that nothing is lost.
	$(BIN)/python benchmarks/chaos.py --minutes $(or $(MINUTES),5) --seed $(or $(SEED),1)

mutants: .venv/dev ## Break our own loop on purpose, edit by edit, and see that a test catches each; ONLY=NAME.
	$(BIN)/python benchmarks/mutants.py $(ONLY)

bench-kafka: .venv/dev ## Measure a worker over a real broker against a hand-written loop.
	@mkdir -p benchmarks/results
	$(BIN)/python benchmarks/kafka/bench_kafka.py > benchmarks/results/bench_kafka.txt
	@cat benchmarks/results/bench_kafka.txt

backtest: .venv/dev ## Print what the models score on seasons they have not seen, and draw the reports: DATA=DIR.
	@test -d "$(DATA)" || { echo "make backtest DATA=DIR: the folder of recorded games"; exit 2; }
	@mkdir -p docs/backtest
	PYTHONPATH=. $(BIN)/python benchmarks/backtest.py "$(DATA)" | tee docs/backtest/held-out.txt
	PYTHONPATH=. $(BIN)/python benchmarks/score_intervals.py "$(DATA)" | tee docs/backtest/intervals.txt
	$(BIN)/oddspipe backtest --sport nfl --data "$(DATA)" --seasons 2019-2022 --against nfl_stern --html docs/backtest/nfl.html
	$(BIN)/oddspipe backtest --sport nba --data "$(DATA)" --seasons 2023 --html docs/backtest/nba.html
	$(BIN)/oddspipe backtest --sport mlb --data "$(DATA)" --seasons 2016 --prior rating --html docs/backtest/mlb.html
	@chromium --version >/dev/null 2>&1 && chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1120,900 \
	  --screenshot=docs/backtest/nfl.png docs/backtest/nfl.html 2>/dev/null || echo "no chromium: docs/backtest/nfl.png was not drawn"

docs: .venv/dev ## Write the reference pages from the code.
	$(BIN)/python -m docs.make

matrix: .venv/dev ## Print which promise is proven for which part, and what is missing.
	@sed -n '/^| promise | replay/,/^$$/p;/^## Missing/,/^## Exempt/p' docs/reference/matrix.md | grep -v '^## Exempt'

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
	@$(INSTALL) -e '.[embedded,report,schema,dev]'
	@touch $@

# Their packages would hold back ours: in an environment of their own, as pipx does it.
.venv/policy/stamp: Makefile | .venv/run
	@echo "installing what reads policies …"
	@$(BIN)/python -m venv .venv/policy
	@.venv/policy/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30 parliament==1.6.4 "setuptools<81"
	@ln -sf ../policy/bin/checkov ../policy/bin/parliament $(BIN)/
	@touch $@
