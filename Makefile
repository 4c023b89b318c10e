PYTHON ?= python3
BIN := .venv/bin
# one more than there are cores: tests wait for disks, servers and browsers
WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: help install demo serve test check bench pictures deep

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

serve: .venv/.run ## the console on an invented municipality, with a simulated telephone: http://127.0.0.1:8080/
	$(BIN)/callflow serve --demo

test: .venv/.dev ## all tests, on SQLite and PostgreSQL
	$(BIN)/python -m pytest -n $(WORKERS) -m "not deep"

check: .venv/.dev ## lint, types, import contracts, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

bench: .venv/.dev ## every benchmark against its baseline in the same run
	$(BIN)/python -m bench

pictures: .venv/.dev ## the pictures of the docs whose pages have changed, made anew; needs chromium
	CALLFLOW_PICTURES=1 $(BIN)/python -m pytest tests/journeys/test_pictures.py -k take

deep: .venv/.dev ## the long proofs in full
	$(BIN)/python -m pytest -n auto --timeout 7200
