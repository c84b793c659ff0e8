# Thin on purpose: each target is one or two commands that can be typed without make.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PYZ := jarvis.pyz

.PHONY: dev serve api migrate web-dev build test proof lint docs bench

dev: $(PYZ)                ## build, then say what doctor finds; never fails on findings
	-@$(PYTHON) $(PYZ) doctor

serve: $(PYZ)              ## build and serve on http://127.0.0.1:8000
	$(PYTHON) $(PYZ) serve

api: serve

migrate: $(PYZ)            ## bring the database up to this release
	$(PYTHON) $(PYZ) migrate

web-dev: $(RUN)            ## pages on http://127.0.0.1:5173 with template and static reload
	$(RUN) -m jarvis serve --host 127.0.0.1 --port 5173 --pages-only --reload

build:                     ## the release archive for every supported interpreter
	$(PYTHON) build_zipapp.py

test: $(RUN)               ## every test, in its own environment
	$(RUN) -m pytest

proof: $(RUN)              ## the long crash, fuzz and comparison runs, whole
	JARVIS_PROOF=1 $(RUN) -m pytest

lint: $(RUN)               ## style and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: $(RUN)               ## rewrite the tables that the documentation takes from the code
	$(RUN) -m docs.generate

bench: $(RUN) $(PYZ)       ## figures beside their yardsticks
	$(RUN) -m benchmarks

$(PYZ): FORCE
	$(PYTHON) build_zipapp.py --target host

$(RUN): requirements.lock requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-dev.lock
	@touch $(RUN)

FORCE:
