# Two commands: `make run` and `make test`. Everything they need goes to .venv, from the locked requirements.txt.
PYTHON ?= python3
PY := .venv/bin/python
LOCK := requirements.txt
STAMP := .venv/.locked-$(shell sha256sum $(LOCK) | cut -c1-16)
.DELETE_ON_ERROR:
.PHONY: run test lint soak bench lock texts

run: $(STAMP)
	@$(PY) run_bot.py migrate
	@$(PY) run_bot.py sample load
	@$(PY) run_bot.py serve

test: $(STAMP)
	@$(PY) -m pytest -q -n 4 --dist worksteal -m "not soak"

soak: $(STAMP)
	@$(PY) -m pytest -q -n 4 --dist worksteal -m soak

lint: $(STAMP)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) -m bot.texts.catalogue --check

texts: $(STAMP)
	@$(PY) -m bot.texts.catalogue

$(STAMP): | $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv (about half a minute, once) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes -r $(LOCK)
	@touch $@

# What the benchmarks compare with: libraries that the product does without.
bench: $(STAMP)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: --require-hashes -r requirements-bench.txt

# For developers: needs uv, and writes no addresses into the lock.
lock:
	uv --system-certs lock
	uv export --frozen --no-emit-project -o $(LOCK) --quiet
	uv export --frozen --only-group bench --no-emit-project -o requirements-bench.txt --quiet
