# make reports   set up, run the default study, say where the report is
# make test      set up, run the tests
# make quick     set up, run the tests that need no pipeline, two to three minutes on two cores
# make open      open the report
PYTHON ?= python3
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check
# takes less than half of pip's time, but does not know pip's own settings: where it fails, pip installs
UV := .venv/bin/uv pip install --quiet --python .venv/bin/python --no-cache --system-certs --compile-bytecode
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: setup reports test quick lint open

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed and $(PYTHON) is {v}: try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	($(PIP) uv==0.13.9 && $(UV) -r requirements.lock) || $(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

reports: setup
	dvc repro
	@python -c 'import json; print(json.load(open("reports/recommendation.json"))["headline"]); print("Report: reports/report.html")'

test: setup
	pytest

quick: setup
	pytest -m "not slow"

lint: setup
	ruff check .
	ruff format --check .
	mypy

open: setup
	python -m webbrowser -t "file://$(CURDIR)/reports/report.html"
