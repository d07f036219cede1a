# Everything goes through tools/setup, which installs what is missing and says each step.
# A fresh machine needs Python >= 3.11, make and the network.
.DEFAULT_GOAL := help

# The first of these that is new enough; `make PYTHON=... <target>` names another.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
PYTHON := $(or $(PYTHON),$(shell command -v python3),$(error Guichet needs Python 3.11 or newer, and there is no python3 here: install one, for example with apt-get install python3 python3-venv))
SETUP  := $(PYTHON) -m tools.setup
BIN    := .venv/bin
ARGS   ?=

.PHONY: run test bench soak fmt setup web lint types quick help

help:
	@echo "make run    build what is stale and serve a demonstration centre (ARGS=... go to guichet serve)"
	@echo "make test   everything CI runs          make quick  lint, types and the quick tests"
	@echo "make bench  rewrite bench/RESULTS.md    make soak   100 kills on each engine, long random searches"
	@echo "make fmt    format and fix              make setup  only install what development needs"

run:
	@$(SETUP) run
	@exec $(BIN)/guichet serve --demo $(ARGS)

setup:
	@$(SETUP) dev

web:
	@$(SETUP) web

test:
	@$(SETUP) test
	@$(BIN)/python -m tools.check all

quick: setup
	@$(BIN)/python -m tools.check quick

lint: setup
	@$(BIN)/python -m tools.check lint

types: setup
	@$(BIN)/python -m tools.check types

bench:
	@$(SETUP) test
	@$(BIN)/python -m bench $(ARGS)

soak:
	@$(SETUP) test
	@$(BIN)/python -m pytest --soak -m "fault or property" $(ARGS)

fmt: setup
	@$(BIN)/ruff check --fix-only --quiet src tests tools bench
	@$(BIN)/ruff format --quiet src tests tools bench
	@cd web && ../$(BIN)/npm run --silent fmt
