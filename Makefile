# Every verb of a developer. Each target sets up what it needs first; a second run sets up nothing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) -c 'import sys; print(sys.executable) if sys.version_info >= (3, 11) else 0' 2>/dev/null | grep /)))
PY := .venv/bin/python
SAY := @printf '\033[1m>> %s\033[0m\n'
# Two at a time, and the tests of one file together: they share a node or a database row.
PYTEST_FLAGS ?= -n 2 --dist loadfile
SEED ?= 1

SERVER := .venv/.server-stamp
SUAN := .venv/.suan-stamp
TOOLS := .venv/.tools-stamp
SLITHER := .venv-slither/.stamp
NODE := node_modules/.suan-stamp
JOBS := examples/build/.stamp
SCRIPTS := $(wildcard frontend/static/js/*.js frontend/static/js/*/*.js)

.PHONY: help demo up test test-fast chaos check reset bench gas slither setup

help: ## this list
	@printf 'Suan: an open exchange for computing power\n\n'
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: setup ## start a market, trade real jobs, audit, stop; writes var/demo/report.json
	@$(PY) -m operations demo

up: setup ## start a market and keep it until Ctrl-C; its state stays in var/
	@$(PY) -m operations up

test: setup $(TOOLS) ## all tests, with real PostgreSQL, Valkey, chain and contracts
	@.venv/bin/pytest $(PYTEST_FLAGS) tests

test-fast: $(SUAN) $(TOOLS) ## tests of the rules alone: no services
	@.venv/bin/pytest -m 'not slow and not chain and not browser and not django_db' tests/core tests/clearing tests/architecture

chaos: setup ## a storm of kills and reorgs over one market; nothing may be lost (SEED=7 TRADES=1000 KILLS=110 REORGS=20)
	@$(PY) -m operations chaos --seed $(SEED) $(if $(TRADES),--trades $(TRADES)) $(if $(KILLS),--kills $(KILLS)) $(if $(REORGS),--reorgs $(REORGS))

gas: setup ## what a trade costs on chain, from receipts of a real Anvil; writes var/gas.json
	@$(PY) -m benchmarks.gas

slither: $(SLITHER) setup ## a static analyser on the contracts; every finding has its answer in contracts/slither.json
	@$(PY) -m operations slither

bench: setup ## the numbers behind our claims, measured here
	@for file in benchmarks/[a-z]*.py; do printf '\n>> %s\n' "$$file"; $(PY) -m "benchmarks.$$(basename "$$file" .py)" || exit 1; done

reset: ## stop this folder's market and delete everything it wrote
	@if [ -x $(PY) ]; then $(PY) -m operations reset; else rm -rf var; fi

check: setup $(TOOLS) ## style, types, import law, habits of the house, migrations
	$(SAY) 'ruff: habits and form'
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	$(SAY) 'mypy: types'
	@.venv/bin/mypy
	$(SAY) 'lint-imports: who may know whom'
	@.venv/bin/lint-imports
	$(SAY) 'house: habits that no linter knows'
	@.venv/bin/pytest -q -m 'not slow' tests/architecture
	$(SAY) 'migrations: models and tables agree'
	@$(PY) -W ignore manage.py makemigrations --check --dry-run
	$(SAY) 'forge fmt: form of the contracts'
	@cd contracts && "$$(cd .. && $(PY) -m operations.run.services path forge)" fmt --check
	$(SAY) 'tsc: types of the pages'\'' scripts'
	@$(if $(SCRIPTS),node_modules/.bin/tsc --project tsconfig.json,echo 'no scripts')
	@echo 'check: all good'

setup: $(SUAN) $(NODE) $(JOBS)

.venv/bin/python:
	@if [ -z '$(PYTHON)' ]; then echo 'Python 3.11 or newer is needed: install it, or name one with make PYTHON=/path/to/python3.'; exit 1; fi
	$(SAY) 'making .venv with $(PYTHON)'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo 'Could not make .venv: on Debian and Ubuntu install python3-venv.'; exit 1; }

$(SERVER): requirements.txt | .venv/bin/python
	$(SAY) "installing $$(grep -c == requirements.txt) Python packages into .venv (a minute the first time)"
	@$(PY) -m pip install --disable-pip-version-check --no-input --progress-bar off -r requirements.txt | grep -E --line-buffered '^(Collecting|Installing|Successfully|ERROR)' | cut -c1-100; exit $${PIPESTATUS[0]}
	@touch $@

$(SUAN): pyproject.toml $(SERVER)
	$(SAY) 'installing the suan package'
	@$(PY) -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): requirements-dev.txt $(SERVER)
	$(SAY) 'installing test and lint tools into .venv'
	@$(PY) -m pip install --disable-pip-version-check --no-input --progress-bar off -r requirements-dev.txt | grep -E --line-buffered '^(Collecting|Installing|Successfully|ERROR)' | cut -c1-100; exit $${PIPESTATUS[0]}
	@touch $@

$(SLITHER): requirements-slither.txt
	$(SAY) 'installing slither into .venv-slither: its web3 is not ours'
	@$(PYTHON) -m venv .venv-slither
	@.venv-slither/bin/pip install --disable-pip-version-check --no-input --quiet -r requirements-slither.txt
	@touch $@

$(NODE): package.json package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null || { echo 'Node.js 20 or newer is needed: install it from nodejs.org or your system.'; exit 1; }
	$(SAY) 'installing the contracts toolchain into node_modules'
	@npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(JOBS): $(wildcard examples/*.ts) examples/build.mjs examples/SHA256SUMS $(NODE)
	$(SAY) 'compiling the example jobs'
	@npm run --silent build:examples
	@touch $@
