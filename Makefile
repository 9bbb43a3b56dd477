# `make demo` and `make test` are all that a fresh clone needs: Python 3.11+, make, git and bash are on the
# machine, everything else is set up here, below this folder. Stamps keep it quick when nothing changed.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Never download an interpreter behind the user's back: the one on the machine is used, or it is an error.
export UV_PYTHON_DOWNLOADS := never
# Compiled once at set-up, or each of the many short processes of the tests would compile all it imports.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
# An environment that happens to be active must not be mistaken for ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

VENV := .venv
BIN := $(VENV)/bin
# pytest-xdist workers; the suite is planned for two cores.
WORKERS ?= 2
# COVERAGE=1 measures while testing; `make coverage` does that and holds it against the floors.
COVERAGE ?=
# More pytest arguments, as in: make test ARGS="-k windows -x"
ARGS ?=
PACKAGES := src/maestro adapters/maestro_adapters sidecar/maestro_sidecar policy/maestro_policy

##@ The two commands
demo: setup ## run the main job on embedded defaults, no server needed (ARGS="--serve" for more)
	@$(BIN)/maestro demo $(ARGS)

test: setup ## run the tests (MAESTRO_REQUIRE_SERVICES=1 adds those that need servers)
	@$(if $(COVERAGE),rm -f .coverage .coverage.*; $(BIN)/coverage run,$(BIN)/python) -m pytest -n $(WORKERS) $(ARGS)

##@ Gates (CI runs them all: bash .ci/run)
lint: setup ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup ## let ruff format, and fix what it can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: setup ## mypy --strict over the four packages
	@$(BIN)/mypy --strict $(wildcard $(PACKAGES))

contracts: setup ## import contracts: which room may import which
	@$(BIN)/lint-imports

docs-check: setup ## generated pages are current, links lead somewhere, snippets run
	@$(BIN)/python -m pytest -q tests/house -k "docs or generated" $(ARGS)

docs: setup ## write the generated pages again
	@PYTHONPATH=tests $(BIN)/python -m house.generated --write

coverage: ## run the tests measured, then hold branch coverage against its floors
	@$(MAKE) test COVERAGE=1
	@$(MAKE) coverage-gate

coverage-gate: setup # reads what `make test COVERAGE=1` measured
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o - | $(BIN)/python .ci/coverage-gate

wheel-test: setup ## build sdist and wheel, run the tests against the wheel in a fresh environment
	@.ci/wheel-test $(ARGS)

##@ Numbers and upkeep
bench: setup ## run the benchmarks (ARGS=... is passed on)
	@$(BIN)/python -m benchmarks $(ARGS)

sizes: setup ## report long files and functions
	@PYTHONPATH=tests $(BIN)/python -m house.sizes

verifytypes: setup ## report how complete the public types are (pyright; needs node)
	@for package in $(notdir $(PACKAGES)); do \
	  echo "$$package:"; PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/pyright --ignoreexternal --verifytypes $$package || true; \
	done | grep -E '^[a-z_]+:$$|error:|completeness'

lock: ## pin the newest allowed versions again, with hashes
	@.ci/lock

setup: $(BIN)/.ready ## make .venv only
	@:

clean: ## remove environments, caches and builds
	rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# The order matters: uv, then the interpreter, then exactly the pinned packages, then this project over them.
# hatchling is among the pins, so the editable install needs no network and no second resolution.
$(BIN)/.ready: pyproject.toml requirements/dev.txt
	@python=$$(.ci/find-python); \
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: new environment $(VENV) from $$python"; .ci/uv venv --quiet --clear --python "$$python" $(VENV); }
	@echo "setup: installing pinned packages"
	@.ci/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@.ci/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo test lint format types contracts docs-check docs coverage coverage-gate wheel-test bench sizes verifytypes lock setup clean help
