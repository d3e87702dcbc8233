# Everything runs in .venv, which is made from requirements.lock on first use. `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
IMAGE ?= aiokai:0.1.0
DOCKER ?= $(shell command -v docker || command -v podman)

.DEFAULT_GOAL := help
.PHONY: help demo up test check bench format crds manifests image lock controlplane clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.venv/installed: requirements.lock pyproject.toml
	@echo "making .venv (once; about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "aiokai needs Python 3.11 or newer; say make PYTHON=python3.12"; exit 1; }
	@if command -v uv >/dev/null; then uv venv -q --allow-existing --python $(PYTHON) .venv && uv pip install -q --python $(BIN)/python -r requirements.lock && uv pip install -q --python $(BIN)/python --no-deps -e .; \
	else $(PYTHON) -m venv .venv && $(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock && $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .; fi
	@touch $@

demo: .venv/installed ## a cluster, an operator and four Jobs on this machine, in a minute
	@$(BIN)/aiokai demo

up: .venv/installed ## the same cluster, to be used with kubectl until Ctrl-C
	@$(BIN)/aiokai up

test: .venv/installed ## all tests; those of the real API server need `make controlplane`
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup

check: .venv/installed ## lint, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/aiokai crds --check
	$(BIN)/python manifests/generate.py --check

bench: .venv/installed ## speed: each figure with its bound and where the bound comes from
	$(BIN)/python -m tests.perf.place

format: .venv/installed ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: .venv/installed ## write crds/ from the models
	$(BIN)/aiokai crds

manifests: crds ## write manifests/install.yaml from the chart and the models
	$(BIN)/python manifests/generate.py

image: ## build the operator's image as IMAGE (docker or podman)
	$(DOCKER) build -t $(IMAGE) .

controlplane: ## build the real kube-apiserver that the tests use (Go; minutes once)
	sh tests/controlplane/build.sh

lock: ## renew requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header -q -U -o requirements.lock

clean: ## what can be made again
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
