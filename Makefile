# Everything that a new contributor and CI need. Uses uv if it is on the PATH, otherwise venv and pip. Both install the
# same hashed locks.

PYTHON ?= python3
BIND ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= var
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# Folders of tests that do not depend on the database engine. They run on SQLite only.
ON_ONE_ENGINE := unit simulation contract docs api e2e benchmarks

export DATA_DIR
# Without cached bytecode, each server that a test starts would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test bench abuse-long check format install documents lock clean

help:
	@echo "make run        install the dependencies and serve on $(BIND):$(PORT)   (BIND=, PORT=, DATA_DIR=)"
	@echo "make test       install the dependencies and run the tests on SQLite and PostgreSQL   (ARGS=)"
	@echo "make bench      compare with other servers, write docs/benchmarks.md (half an hour, idle machine)   (ARGS=)"
	@echo "make abuse-long attack a server for an hour, write docs/abuse.md   (MINUTES=)"
	@echo "make check      check style, types, import contracts, migrations and documents"
	@echo "make format     format the code"
	@echo "make install    only install the dependencies"
	@echo "make documents  regenerate openapi.yaml and asyncapi.yaml"
	@echo "make lock       resolve the dependencies again (needs uv)"

run: $(VENV)/.runtime
	@exec $(BIN)/python manage.py serve --host $(BIND) --port $(PORT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest --engine sqlite $(ARGS)
	$(BIN)/python -m pytest --engine postgresql $(addprefix --ignore tests/,$(ON_ONE_ENGINE)) $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks $(ARGS)

abuse-long: $(VENV)/.dev
	$(BIN)/python -m pytest --engine postgresql -s tests/abuse/long.py $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py documents --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.dev

documents: $(VENV)/.dev
	$(BIN)/python manage.py documents

lock:
	uv lock
	uv export -q --frozen --no-dev --no-emit-project --no-header -o requirements.lock
	uv export -q --frozen --no-emit-project --no-header -o requirements-dev.lock

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.runtime: requirements.lock | $(BIN)/python
	$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.runtime

ifneq ($(UV),)
$(BIN)/python:
	$(UV) venv -q --allow-existing --python "$$(command -v $(PYTHON))" $(VENV)
install = $(UV) pip install -q --python $(BIN)/python --require-hashes -r $(1)
else
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Roomlog needs Python 3.11 or later, this is " + sys.version.split()[0] + " (make PYTHON=...)" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
install = @echo "installing $(1) ..." && $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1)
endif
