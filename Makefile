# Everything a newcomer needs: `make demo`, `make test`. Needs make and Python 3.11 or newer, nothing else.
# Works with GNU make 3.81 (macOS) and later: no .ONESHELL, no !=, no grouped targets.

# The Python that makes .venv; without it the first of these that is new enough.
PYTHON ?=
PYTHON_CANDIDATES = $(if $(PYTHON),$(PYTHON),python3.11 python3 python3.12 python3.13 python3.14)
# More arguments for pytest: make test PYTEST_ARGS="-k walk -x"
PYTEST_ARGS ?=
# A process of tests for each core, four at most: some tests look at real time.
PARALLEL = --numprocesses auto --maxprocesses 4 --dist worksteal

# make setup EXTRA=postgres: the same with an extra, in an environment of its own.
EXTRA ?=

VENV := .venv$(if $(EXTRA),-$(EXTRA))
BIN := $(VENV)/bin
LOCK := requirements/$(if $(EXTRA),$(EXTRA),dev).txt
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-all test-slow test-postgres test-lake test-engine test-airflow test-dagster test-dbt test-report check \
  lint format bench chaos lock clean

help:
	@echo 'make demo      set up, start the sandbox, load it into DuckDB, show the result'
	@echo 'make test      set up, run the tests'
	@echo 'make test-all  the same with the slow tests;  make test-slow  those alone'
	@echo 'make test-postgres  those that load somewhere, into a Postgres server that they start'
	@echo 'make test-lake      the same, into Delta tables'
	@echo 'make test-engine    a distributed engine over a lake of a million customers'
	@echo 'make test-airflow, make test-dagster  check and run the pipeline for it'
	@echo 'make test-report  open the report in Chromium, which must be installed'
	@echo 'make test-dbt       dbt over the sources that dub-source prints for it'
	@echo 'make check     set up, ruff and mypy --strict over everything, tests included'
	@echo 'make lint      ruff alone;  make format  let ruff rewrite'
	@echo 'make bench     measure beside the peers, a dozen minutes (BENCH_ARGS=--large: hours)'
	@echo 'make chaos     whole days of trouble in minutes (MINUTES=60 SEED=1); says which promise broke'
	@echo 'make lock      resolve the dependencies again (UPGRADE=1: to the newest allowed; EXTRA=postgres: those of an extra)'
	@echo 'make clean     remove .venv and everything that can be made again'

setup: $(INSTALLED)

# An existing environment of a Python new enough is kept and brought up to date.
define make_venv
@set -e; \
	ok='import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))'; \
	if ! "$(BIN)/python" -c "$$ok" 2>/dev/null || ! "$(BIN)/python" -m pip --version >/dev/null 2>&1; then \
	  found=; \
	  for candidate in $(PYTHON_CANDIDATES); do \
	    if "$$candidate" -c "$$ok" >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo 'dub-source needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv).' >&2; \
	    for candidate in $(PYTHON_CANDIDATES); do \
	      echo "  $$candidate: $$("$$candidate" --version 2>&1 || true)" | head -n 1 >&2; \
	    done; \
	    echo 'Name another one with: make PYTHON=/path/to/python3.11 ...' >&2; \
	    exit 1; \
	  fi; \
	  echo "Making $(VENV) with $$found, $$("$$found" --version 2>&1)"; \
	  "$$found" -m venv --clear "$(VENV)"; \
	fi
endef

# The stamp is written last: an interrupted set-up starts again, a finished one is repeated only when
# the lock or pyproject.toml is newer.
$(INSTALLED): $(LOCK) pyproject.toml
	$(make_venv)
	@echo 'Installing the locked dependencies into $(VENV) (once; half a minute to a few)'
	@"$(BIN)/python" -m pip install -qq --no-input --disable-pip-version-check --require-hashes -r "$(LOCK)"
	@"$(BIN)/python" -m pip install -qq --no-input --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch "$@"

demo: $(INSTALLED)
	@"$(BIN)/dub-source" demo

# The recordings of Dub's server are read from DUB_SOURCE_RECORDINGS, by default ../shared/dub-api;
# pytest says at its end when they are absent.
test: $(INSTALLED)
	@"$(BIN)/python" -m pytest -m "not slow" $(PARALLEL) $(PYTEST_ARGS)

test-all: $(INSTALLED)
	@"$(BIN)/python" -m pytest $(PARALLEL) $(PYTEST_ARGS)

test-slow: $(INSTALLED)
	@"$(BIN)/python" -m pytest -m slow $(PARALLEL) $(PYTEST_ARGS)

# In an environment of its own, with drivers and a server.
test-postgres:
	@$(MAKE) --no-print-directory setup EXTRA=postgres
	@.venv-postgres/bin/python -m pytest --warehouse postgres -m "not slow or everywhere" $(PARALLEL) $(PYTEST_ARGS)

test-lake:
	@$(MAKE) --no-print-directory setup EXTRA=lake
	@.venv-lake/bin/python -m pytest --warehouse delta -m "not slow or everywhere" $(PARALLEL) $(PYTEST_ARGS)

# A million customers are loaded for it.
test-engine:
	@$(MAKE) --no-print-directory setup EXTRA=lake
	@.venv-lake/bin/python -m pytest --warehouse delta -m slow tests/lake $(PYTEST_ARGS)

# What only that environment has is left out by `make test` and `make check`.
test-airflow test-dagster: test-%:
	@$(MAKE) --no-print-directory setup EXTRA=$*
	@.venv-$*/bin/python -m mypy --strict pipelines/$*_*.py tests/orchestrators/test_$*.py
	@.venv-$*/bin/python -m pytest -m $* tests/orchestrators $(PYTEST_ARGS)

# In Chromium as it is on this machine: DUB_SOURCE_CHROMIUM names the program, otherwise it is looked for in PATH.
test-report:
	@$(MAKE) --no-print-directory setup EXTRA=report
	@.venv-report/bin/python -m mypy --strict tests/report/test_browser.py
	@.venv-report/bin/python -m pytest -m report tests/report $(PYTEST_ARGS)

test-dbt:
	@$(MAKE) --no-print-directory setup EXTRA=dbt
	@.venv-dbt/bin/python -m pytest -m dbt tests/orchestrators $(PYTEST_ARGS)

check: lint
	@"$(BIN)/python" -m mypy --strict

lint: $(INSTALLED)
	@"$(BIN)/ruff" check
	@"$(BIN)/ruff" format --check

format: $(INSTALLED)
	@"$(BIN)/ruff" check --fix
	@"$(BIN)/ruff" format

# What was stopped goes on; make bench BENCH_ARGS=--list says what there is.
bench: $(INSTALLED)
	@"$(BIN)/python" -m benchmarks $(BENCH_ARGS)

# make chaos MINUTES=60 SEED=1: the same seed decides the same.
MINUTES ?= 5
SEED ?=
chaos: $(INSTALLED)
	@"$(BIN)/python" -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(CHAOS_ARGS)

# uv resolves for every platform and Python at once and writes hashes, but no index. It does not read pip's
# configuration: behind a mirror, say where with UV_DEFAULT_INDEX, in the environment alone. For Dagster and dbt the
# extras stay in the names, because pip 23, which Python 3.11 has, takes gql[requests] for not pinned otherwise;
# for Airflow they must not, because it takes fastapi for not pinned where there is a fastapi[...].
lock:
	$(make_venv)
	@"$(BIN)/python" -m venv "$(VENV)/lock"
	@"$(VENV)/lock/bin/python" -m pip install -qq --no-input --disable-pip-version-check 'uv>=0.9'
	@"$(VENV)/lock/bin/uv" pip compile pyproject.toml --extra sandbox --extra report $(if $(filter-out report,$(EXTRA)),--extra $(EXTRA)) --group $(if $(EXTRA),$(EXTRA),dev) \
	  --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  $(if $(filter dagster dbt,$(EXTRA)),--no-strip-extras) $(if $(UPGRADE),--upgrade) --quiet --output-file "$(LOCK)"
	@! grep -nE '://|^ *--(index|extra|find)' "$(LOCK)" || { echo '$(LOCK) names an index: that must not be' >&2; exit 1; }
	@echo "$(LOCK): $$(grep -c '==' "$(LOCK)") packages"

clean:
	rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
