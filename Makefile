# Every verb that a contributor or a newcomer needs; `make help` lists them.
VENV ?= .venv
PYTHON := $(VENV)/bin/python
STACK := $(PYTHON) compose/local/stack.py

SEEDS ?= 2000
MINUTES ?= 5

.DEFAULT_GOAL := help
.PHONY: help dev up down demo test lint unit simulate it torture docs bench

help: ## Show the verbs.
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: $(VENV)/.ready ## Make the virtual environment with headrace and its tools.

$(VENV)/.ready: pyproject.toml $(wildcard $(foreach crate,shared/codec/native shared/adapters/kafka/native,$(crate)/src/*.rs $(crate)/Cargo.toml))
	python3 -m venv $(VENV) || { echo "Install Debian's python3-venv (Python 3.11 or later) first." >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --editable '.[dev]'
	touch $@

up: dev ## Start MySQL, Kafka and Valkey under .local (installs them the first time).
	$(STACK) up

down: dev ## Stop everything that `make up` and `make demo` started.
	$(PYTHON) compose/local/demo.py stop
	$(STACK) down

demo: up ## Run the three example jobs on the local stack and show their topics.
	$(PYTHON) compose/local/demo.py

test: lint unit simulate it ## Run all tests; the integration tests start servers of their own.

lint: dev ## Check style, types and the direction of imports.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy shared scheduler workers compose/local
	$(VENV)/bin/lint-imports

unit: dev ## Run the unit tests: no sockets, no servers.
	$(PYTHON) -m pytest -n auto tests/unit tests/tidy

simulate: dev ## Run the protocol under a seeded simulation; SEEDS=20000 runs more.
	SIMULATION_SEEDS=$(SEEDS) $(PYTHON) -m pytest -n auto tests/simulation

it: dev ## Run the integration tests and a short torture on real MySQL, Kafka and Valkey.
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 15 tests/torture tests/integration

torture: dev ## Random faults on real servers for MINUTES=5, then every row compared; TORTURE="--seed 1" repeats a seed.
	$(PYTHON) -m tests.torture --minutes $(MINUTES) $(TORTURE)

docs: dev ## Draw the pictures, write the reference and build the site of docs/ into .local/site; a broken link is an error.
	$(PYTHON) docs/images/draw.py
	PYTHONPATH=. $(PYTHON) docs/reference.py
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "in .local/site; to see it: $(PYTHON) -m http.server --bind 127.0.0.1 --directory .local/site 8000"

bench: dev ## Measure headrace and its limits; PEERS=debezium,maxwell,flink adds others (default: none), BENCH="--rows 200000" is shorter.
	$(PYTHON) -m tests.bench --peers "$(PEERS)" $(BENCH)
