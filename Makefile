# Two commands matter: `make demo` and `make test`. Both set up what they need in .venv and nothing outside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ANVIL = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/install_anvil.py
ENTRY_POINT = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/install_entry_point.py
CONFORMANCE = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/install_mcp_conformance.py
SAFE = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/install_safe.py

.PHONY: demo test test-long lint bench artifacts docs lock clean help

help:
	@echo "make demo       a model's whole life recorded, anchored, audited, tampered with and caught"
	@echo "make test       lint, types, layers, artifact freshness and tests"
	@echo "make test-long  the same with the slow suites in their long form"
	@echo "make bench      every figure of docs/performance.md, measured here"
	@echo "make artifacts  recompile the contracts and regenerate their bindings"
	@echo "make docs       write the pages of commands, error codes and figures anew"
	@echo "make lock       resolve the dependencies again"

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo-ready: requirements/demo.lock pyproject.toml | $(VENV)/.created
	$(PIP) install --quiet --require-hashes -r requirements/demo.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-ready: requirements/dev.lock $(VENV)/.demo-ready
	$(PIP) install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

demo: $(VENV)/.demo-ready
	@$(BIN)/tally demo $(DEMO_ARGS)

lint: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/build_artifacts.py --check
	$(BIN)/python tools/build_bindings.py --check
	$(BIN)/python tools/build_docs.py --check

test: lint
	$(ANVIL)
	$(ENTRY_POINT)
	$(CONFORMANCE)
	tools/install_bubblewrap.sh
	$(BIN)/python -m pytest -n 2 -m "not long"

test-long: lint
	$(ANVIL)
	$(ENTRY_POINT)
	$(CONFORMANCE)
	tools/install_bubblewrap.sh
	TALLYSTICK_LONG=1 $(BIN)/python -m pytest -n 2

bench: $(VENV)/.dev-ready
	$(ANVIL)
	$(ENTRY_POINT)
	$(SAFE)
	$(BIN)/python -m benches

artifacts: $(VENV)/.dev-ready
	$(BIN)/python tools/build_artifacts.py
	$(BIN)/python tools/build_bindings.py

docs: $(VENV)/.dev-ready
	$(BIN)/python tools/build_docs.py

lock: $(VENV)/.created
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --extra demo --group build -o requirements/demo.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  -c requirements/demo.lock --extra demo --group build --group dev -o requirements/dev.lock pyproject.toml

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis
