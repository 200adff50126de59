# Everything starts here: `make demo` and `make test` need a Python >= 3.11 and nothing else.

CITY ?= san_francisco
SPEED ?= 60
PORT ?= 8740
DRILL ?=

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := models playbooks dispatch streams web_console gridcommand
PYTEST := $(BIN)/python -m pytest
CHECKED := $(PACKAGES) tests tools benchmarks

# PYTHON=/path/to/python3.12 chooses one by hand.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
endif

.PHONY: help python set-up set-up-dev demo test tests tests-on-servers rehearse lint docs lock reader clean

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
	@echo "  CITY=$(CITY) SPEED=$(SPEED) PORT=$(PORT) may be given to make demo"

python:
	@test -n "$(PYTHON)" || { echo "Gridcommand needs Python 3.11 or newer and found none:" \
	"install it (Debian, Ubuntu: apt-get install python3 python3-venv) or say make PYTHON=/path/to/python3" >&2; exit 1; }

set-up: python  ## Install what running needs into .venv and node_modules
	@"$(PYTHON)" tools/set_up.py run

set-up-dev: python  ## … and what tests and checks need
	@"$(PYTHON)" tools/set_up.py test

demo: set-up  ## A living city: set-up, then everything on this machine
	@exec $(BIN)/gridcommand up --demo --city "$(CITY)" --speed "$(SPEED)" --port "$(PORT)" $(if $(DRILL),--drill "$(DRILL)")

test: set-up-dev  ## Set-up, checks and all tests of safety: ten minutes
	@$(MAKE) --no-print-directory --jobs 3 --keep-going lint tests tests-on-servers

# Whole files to each process.
tests: set-up-dev
	@$(PYTEST) -m "not timely and not servers" --durations 10 --ignore tests/integration \
		--numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# In one process: one Kafka and one PostgreSQL are enough.
tests-on-servers: set-up-dev
	@$(PYTEST) -m "not timely and servers" --durations 5 --ignore tests/integration

rehearse: set-up-dev  ## Before a release, on a machine of its own: full load, pulled plugs, promised times, chance (80 min)
	@$(BIN)/python tools/rehearse.py

lint: set-up-dev  ## Style, types, the direction of imports, JSDoc types
	@$(BIN)/ruff check --quiet $(wildcard $(CHECKED))
	@$(BIN)/ruff format --quiet --check $(wildcard $(CHECKED))
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports >.var/log/imports.log || { cat .var/log/imports.log; exit 1; }
	@$(BIN)/python tools/set_up.py node node_modules/typescript/bin/tsc --project web_console/static/jsconfig.json

docs: set-up-dev  ## Write the generated reference under docs/
	$(BIN)/gridcommand docs

lock: set-up-dev  ## Bring the lock files up to date with pyproject.toml and package.json
	$(BIN)/python tools/lock.py

reader: set-up-dev  ## Train the models that read texts anew from the corpus (an hour)
	@test -x .var/reader/venv/bin/python || $(BIN)/python -m venv .var/reader/venv
	@.var/reader/venv/bin/python -m pip install --quiet --require-hashes --requirement requirements-train.lock
	@for language in zh en; do .var/reader/venv/bin/python tools/reader/train.py $$language || exit 1; done

clean:  ## Remove what was installed and built; data in .var stays
	rm -rf $(VENV) node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
