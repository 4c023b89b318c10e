PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install demo test check bench deep

help: ## show these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: .venv/.dev ## create .venv with everything needed to run and to test

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.run: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	$(BIN)/pip install -q --require-hashes -r requirements-dev.lock
	@touch $@

demo: .venv/.run ## a whole campaign on invented residents: imported, called, replayed, proved
	$(BIN)/callflow demo

test: .venv/.dev ## all tests, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -n auto -m "not deep"

check: .venv/.dev ## lint, types, import contracts, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

bench: .venv/.dev ## every benchmark against its baseline in the same run
	$(BIN)/python -m bench

deep: .venv/.dev ## the long proofs in full
	$(BIN)/python -m pytest -n auto --timeout 7200
