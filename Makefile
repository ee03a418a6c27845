.DEFAULT_GOAL := help
.PHONY: help serve test check clients fuzz fix servers bench coverage env docs snapshots
PYTHON ?= $(shell command -v python3.11 || command -v python3)
RUN := .venv/bin/
export UV_SYSTEM_CERTS := true

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/.ready: pyproject.toml uv.lock
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
	@.venv/bin/python -m pip install -q --disable-pip-version-check "uv>=0.5"
	@VIRTUAL_ENV=$(CURDIR)/.venv .venv/bin/uv sync -q --frozen --inexact --active
	@touch $@

serve: .venv/.ready  ## run the whole platform in one process, at http://localhost:8000
	@$(RUN)careslot serve --demo --dev

test: .venv/.ready  ## run all tests; `make servers` first for those that need real servers
	@$(RUN)pytest -n 2 --dist loadgroup $(ARGS)

check: .venv/.ready  ## check lint, format, types and import contracts
	@$(RUN)ruff check
	@$(RUN)ruff format --check
	@$(RUN)mypy
	@$(RUN)lint-imports

clients: .venv/.ready  ## lint the OpenAPI document, generate clients from it and book with each of them
	@$(RUN)python -m tests.clients.run $(ARGS)

fuzz: .venv/.ready  ## send generated requests to every operation, as each kind of caller
	@$(RUN)python -m tests.fuzz.run $(ARGS)

fix: .venv/.ready  ## format the code and fix what ruff can fix
	@$(RUN)ruff check --fix
	@$(RUN)ruff format

servers:  ## install and start MariaDB, RabbitMQ, Redis and a MongoDB-protocol server for the tests
	@$(PYTHON) deploy/servers/servers.py up

bench: .venv/.ready  ## run the measurements; figures are ratios
	@$(RUN)python -m bench.slots
	@$(RUN)python -m bench.claims
	@$(RUN)python -m bench.race
	@$(RUN)python -m bench.gateway
	@$(RUN)python -m bench.request
	@$(RUN)python -m bench.rendering
	@$(RUN)python -m bench.patient_search

coverage: .venv/.ready  ## all tests with branch coverage of the product; a report per file in htmlcov/
	@$(RUN)pytest -n 2 --dist loadgroup --cov --cov-report=term --cov-report=html $(ARGS)

env:  ## write .env with random passwords and CARESLOT_TIME_ZONE (default UTC) for compose.yaml
	@$(PYTHON) deploy/make_env.py

docs: .venv/.ready  ## write docs/audit.md, docs/events.md, docs/configuration.md, docs/cli.md and the catalogue of codes from the code
	@$(RUN)python docs/make_audit.py
	@$(RUN)python docs/make_events.py
	@$(RUN)python docs/make_configuration.py
	@$(RUN)python docs/make_cli.py
	@$(RUN)python docs/make_problems.py

snapshots: .venv/.ready  ## write the snapshots of the public API and of the events, after an intended change
	@$(RUN)python -m tests.architecture.snapshots
	@$(RUN)python -m tests.contract.test_events
