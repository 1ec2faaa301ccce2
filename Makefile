# Every target does its own set-up; a second call of the same target finds it done.
# `make PYTHON=python3.12 ...` chooses the interpreter, `make VENV=folder ...` the environment,
# `make WORKERS=8 test` how many tests run side by side.

VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
CODE := mlops_assets mlops_assets_tests
DEFAULT := $(VENV)/.installed-default
DEV := $(VENV)/.installed-dev
ALL := $(VENV)/.installed-all
DOCS := $(VENV)/.installed-docs
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help install dev everything demo up test quick numeric check format references docs bench lock upgrade deep clean distclean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(DEFAULT) ## Run two weeks of the model pump_efficiency and print what happened
	@$(BIN)/mlops demo

up: $(DEFAULT) ## Start database, MLflow, Dagster and the prediction API; Ctrl-C stops them
	@$(BIN)/mlops up

test: $(DEV) ## Run all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

quick: $(DEV) ## Run the tests that take seconds
	$(BIN)/python -m pytest -m "not slow" mlops_assets_tests/unit

numeric: $(DEV) ## Run the numeric tests with the BLAS kernels of other processors, on one thread and on two
	@.ci/numeric $(BIN)/python

check: $(DEV) ## Formatting, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(DEV) ## Format the code and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

references: $(DEV) ## Write the generated pages of docs/ and models/schema.json
	$(BIN)/python -m tools.references

docs: $(DOCS) ## Build the documentation site in site/; broken links fail
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict --quiet

bench: $(DEV) ## Measure this project compared with its peers
	$(BIN)/python -m benchmarks

install: $(DEFAULT) ## The environment a user needs

dev: $(DEV) ## The environment a developer needs

everything: $(ALL) ## The developer's environment with every extra but `deep`

deep: $(DEFAULT) ## Add PyTorch for neural networks: read CONTRIBUTING.md first, the default build may be large
	@sh requirements/deep.sh $(VENV)

lock: $(DEV) ## Rewrite requirements/ from pyproject.toml, keeping versions where they still fit
	@UV=$(BIN)/uv PYTHON=$(BIN)/python sh requirements/lock.sh

upgrade: $(DEV) ## Rewrite requirements/ with the newest versions that fit
	@UV=$(BIN)/uv PYTHON=$(BIN)/python sh requirements/lock.sh --upgrade

clean: ## Remove caches and build leftovers (not the state in .mlops)
	rm -rf site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist *.egg-info
	find $(CODE) benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## Remove the environment too
	rm -rf $(VENV)

$(DEFAULT): requirements/default.txt requirements/install.sh pyproject.toml
	@sh requirements/install.sh $(VENV) requirements/default.txt
	@touch $@

$(DEV): requirements/dev.txt requirements/install.sh pyproject.toml
	@sh requirements/install.sh $(VENV) requirements/dev.txt
	@touch $(DEFAULT) $@

$(DOCS): $(DEV) requirements/docs.txt
	$(BIN)/uv venv --quiet --clear $(VENV)/docs
	VIRTUAL_ENV=$(VENV)/docs $(BIN)/uv pip install --quiet --require-hashes -r requirements/docs.txt
	@touch $@

$(ALL): requirements/all.txt requirements/install.sh pyproject.toml
	@sh requirements/install.sh $(VENV) requirements/all.txt
	@touch $(DEFAULT) $(DEV) $@
