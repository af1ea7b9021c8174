# Everything here works in a fresh clone: what a target needs is installed into .venv first.
# Variables: PYTHON= the interpreter to make .venv with, ARGS= for pytest or the benchmarks' names,
# PORT= for the demo.

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PORT ?=
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two installs into one .venv would disturb each other
.PHONY: help demo test lint bench docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo  ## Show a site with isgware in front of it, then serve it (PORT=8000)
	@exec $(BIN)/python tools/demo.py $(if $(PORT),--port $(PORT))

test: .venv/.dev  ## Run every test (ARGS="-k name -x")
	@sh tools/servers.sh
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: .venv/.dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.bench  ## Measure a hit beside its peers (ARGS=--list shows what else)
	@$(BIN)/python -m bench.run $(ARGS)

docs: .venv/.docs  ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean:  ## Remove .venv and everything that was built
	rm -rf .venv build dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache .isgware
	rm -rf examples/*/var
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is newer than pyproject.toml when what pyproject.toml lists is installed.
.venv/.made: tools/venv.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv
	@touch $@

.venv/.demo: pyproject.toml .venv/.made
	$(PIP) -e '.[examples]'
	@touch $@

.venv/.dev: pyproject.toml .venv/.made
	$(PIP) -e '.[test,lint]'
	@touch $@

.venv/.bench: pyproject.toml .venv/.made
	$(PIP) -e '.[bench]'
	@touch $@

.venv/.docs: pyproject.toml .venv/.made
	$(PIP) -e '.[docs]'
	@touch $@
