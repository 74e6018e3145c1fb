# make demo   the built-in audit, from a fresh clone      make lint   style and types
# make test   the tests, from a fresh clone               make bench  speed and memory, as ratios within one run
# make docs   docs/records.md, from the schema and the SQL; the kinds in docs/audit-file.md
PYTHON ?= python3
WORKERS ?= 3  # on two cores: tests of servers and clusters wait more than they compute
BIN := .venv/bin

.PHONY: demo browser test lint bench docs clean

demo: .venv/installed
	$(BIN)/ganaudit demo

browser:
	tests/install-browser.sh

test: browser .venv/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS)

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed-dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.audit --write

docs: .venv/installed
	$(BIN)/python -m ganaudit.records.dictionary > docs/records.md
	$(BIN)/python -m ganaudit.kinds.page docs/audit-file.md

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing ganaudit and what it needs into .venv (PyTorch is large: a few minutes) …"
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	@echo "Installing ganaudit and what its tests need into .venv (PyTorch is large: a few minutes) …"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -e ".[dev]"  # most of it is never imported
	@touch $@ .venv/installed

clean:
	rm -rf .venv audits build *.egg-info
