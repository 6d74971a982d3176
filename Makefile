# Needs python3 with venv, make and git; everything else comes from requirements/dev.txt into .venv.
# `make install` makes .venv and nothing else, with whatever index pip is set up to use on this machine.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST := $(BIN)/python -m pytest
ARGS ?=
# Byte code is kept even where the environment would not have it: the tests start Python a thousand times.
export PYTHONDONTWRITEBYTECODE :=
# Processes that `make test` runs side by side: as many as a small machine has processors. A third wins a minute, since some
# tests wait, and loses those that a busy machine keeps waiting.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all check compiled bench scoreboard lint format rfc pages lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

$(STAMP): pyproject.toml requirements/dev.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hythe needs Python 3.11 or later; name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "python3 cannot make a virtual environment; install its venv module (Debian: python3-venv)" >&2; \
		rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --requirement requirements/dev.txt
	@$(BIN)/python -m compileall -q -j 0 $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Start-up time counts.
install: $(STAMP) ## make .venv with everything in it; the command is .venv/bin/hythe
	@$(BIN)/python -m compileall -q src/hythe

demo: install ## run a real client on a network of its own and show what happened
	@$(BIN)/hythe demo

check: install ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .cache/import-linter

lint: check

# pytest compiles each file of tests anew (for what `assert` tells), in each of its processes, or once before them all:
# while mypy keeps the other processor busy.
compiled: install
	@mkdir -p .cache
	@$(PYTEST) --collect-only -qq $(ARGS) >.cache/collected || { cat .cache/collected; exit 1; }

test: install ## everything, the slow tests excepted
	@$(MAKE) --no-print-directory --jobs=2 --output-sync check compiled
	@rm -f .cache/pytest/v/cache/lastfailed
	$(PYTEST) -m "not slow" --numprocesses=$(JOBS) --dist=loadfile $(ARGS) || $(BIN)/python -m tests.again $$? -m "not slow"

test-all: check ## everything, with many more examples of everything random
	HYPOTHESIS_PROFILE=thorough $(PYTEST) $(ARGS)

bench: install ## measure hythe beside slirp4netns, pasta and the kernel (ARGS=--quick)
	@$(BIN)/python -m bench $(ARGS)
	@$(BIN)/python -m bench.tunnels $(ARGS)
	@$(BIN)/python -m bench.forwards $(ARGS)
	@$(BIN)/python -m bench.proxies $(ARGS)

scoreboard: install ## hythe's TCP and Linux's through the same emulated wire, side by side (ARGS=--quick)
	@$(BIN)/python -m scoreboard $(ARGS)

format: $(STAMP) ## put the code in its usual form
	$(BIN)/ruff check --quiet --fix-only
	$(BIN)/ruff format --quiet

rfc: $(STAMP) ## write docs/rfc.md from the tests and the code
	@$(BIN)/python -m tests.rfc

pages: $(STAMP) ## write docs/commands and man from the help of each command
	@$(BIN)/python -m hythe.cli.manual docs/commands man

lock: ## resolve all versions anew into requirements/dev.txt
	$(PYTHON) requirements/lock.py

clean: ## remove .venv and every cache
	rm -rf .venv .cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
