# Every target sets up what it needs by itself; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
UV := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: runtime ## Four auctions from the hammer to the ministries; protocols land in demo-out/
	$(BIN)/eherrac-gateway demo --out demo-out

.PHONY: test
test: check ## All checks and all tests; what needs a service that is not there is skipped by name
	$(BIN)/pytest -n 2 tests/unit tests/conformance tests/simulation
	$(BIN)/pytest tests/integration tests/security tests/acceptance tests/interop

.PHONY: check
check: dev ## Style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: simulate
simulate: dev ## One world drawn from SEED=… with all that happens in it, or SEEDS=… worlds from FROM=…
	PYTHONPATH=.:tests/unit:tests/simulation $(BIN)/python -m simulator SEED=$(SEED) SEEDS=$(SEEDS) FROM=$(FROM)

.PHONY: bench
bench: dev ## End-to-end payments a second and CPU a payment, beside the floor
	$(BIN)/python -m bench

RUNS ?= 1000
.PHONY: kill-test
kill-test: dev ## Kill the gateway and those around it RUNS times by SEED, count what is left; figures in kill-out/
	scripts/services.sh start
	eval "$$(scripts/services.sh env)" && PYTHONPATH=.:tests:tests/acceptance \
	  $(BIN)/python -m kill --runs $(RUNS) --seed $(or $(SEED),20261122) $(KILL)

.PHONY: broker-outage
broker-outage: dev ## Kill Apache Kafka for MINUTES (30) under load, and see everything arrive
	scripts/jars.sh fetch kafka-4
	$(BIN)/python -m bench.broker_outage --minutes $(or $(MINUTES),30)

.PHONY: docs
docs: readme diagrams rules alarms refusals ## Write every generated part of the documents again

.PHONY: readme
readme: dev ## Write README.md's table of settings again, from the models
	$(BIN)/python scripts/readme.py

.PHONY: diagrams
diagrams: dev ## Write docs/diagrams.md again, from the state tables
	$(BIN)/python -m gateway.diagrams > docs/diagrams.md

.PHONY: alarms
alarms: dev ## Write docs/alarms.md again, from gateway/data/alarms.toml
	$(BIN)/python -m gateway.alarms > docs/alarms.md

.PHONY: refusals
refusals: dev ## Write docs/refusals.md again, from the catalogue of errors
	$(BIN)/python -m contracts.errors.page > docs/refusals.md

.PHONY: rules
rules: dev ## Write docs/rules.md again, from what code and tests cite
	$(BIN)/python scripts/rules.py

.PHONY: format
format: dev ## Let ruff mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: ## Pin every package with its hashes again, from pyproject.toml
	test -x .venv-lock/bin/uv || { python3 -m venv .venv-lock && \
	  .venv-lock/bin/pip install --quiet --only-binary :all: \
	    "$$(.venv-lock/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["lock"])')"; }
	$(UV) --extra build pyproject.toml -o requirements.lock
	$(UV) --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

.PHONY: services-start
services-start: ## Start PostgreSQL and Apache Kafka for the tests
	scripts/services.sh start

.PHONY: services-stop
services-stop: ## Stop them
	scripts/services.sh stop

.PHONY: helm
helm: dev ## Check the chart
	scripts/helm.sh fetch
	scripts/helm.sh lint --strict helm/eherrac-gateway

.PHONY: clean
clean: ## Remove everything that was made, the virtual environment too
	rm -rf .venv .venv-lock .run demo-out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: runtime dev
runtime:
	@scripts/venv.sh runtime
dev:
	@scripts/venv.sh dev
