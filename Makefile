# Recipes longer than a line live in scripts/.
.DEFAULT_GOAL := help
.PHONY: help run test test-unit lint format bench translations screenshots clean
export PYTHON

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## set everything up and start Perijove on http://127.0.0.1:8000 (Ctrl-C stops it; flags go in ARGS=)
	@scripts/run $(ARGS)

test: ## set everything up and run the whole test suite
	@scripts/setup dev
	@scripts/test all

test-unit: ## run the unit, contract and architecture tests
	@scripts/setup dev
	@scripts/test unit

lint: ## check style, types, import directions and sizes
	@scripts/setup dev
	@scripts/lint

format: ## format the code and sort its imports
	@scripts/setup dev
	@.venv/bin/ruff check --quiet --select I --fix .
	@.venv/bin/ruff format .

bench: ## measure side by side with peers and write bench/results/
	@scripts/setup dev
	@.venv/bin/python bench/run.py

translations: ## bring the German and French texts of the pages up to date with the English ones
	@scripts/setup dev
	@.venv/bin/python scripts/translate

screenshots: ## write pictures of all pages, light and dark, wide and narrow, to docs/images/
	@scripts/setup dev
	@scripts/screenshots

clean: ## remove what set-up, tests and builds made
	@rm -rf .venv .cache build dist bench/.cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
