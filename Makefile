# The menu. `make` or `make help` lists it.
#
# PYTHON        the interpreter that .venv is made from (python3)
# CARGO_TARGET_DIR  where Rust builds go (target)

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv/bin
# Extra arguments for one run: make test PYTEST="tests/unit -k rechunk"
PYTEST ?=
# How many cases of each property `make fuzz` tries.
CASES ?= 1000000

.PHONY: help setup test test-rust test-python fuzz demo check layers stubs format bench conformance docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create .venv and build the extension, where missing or out of date
	@tools/setup

test: test-rust test-python ## run every test, Rust and Python

test-rust: setup ## run the Rust tests
	@tools/test-rust

test-python: setup ## run the Python tests (PYTEST="tests/unit -k name" for some)
	@$(VENV)/python -m pytest $(PYTEST)

fuzz: ## read damaged messages, handshakes and CSV, far more of them than the tests do (CASES=1000000)
	PROPTEST_CASES=$(CASES) tools/cargo test --quiet --locked -p raskr-exec --test it messages::
	PROPTEST_CASES=$(CASES) tools/cargo test --quiet --locked -p raskr-cluster --lib -- frame::tests::damaged frame::tests::made_up handshake::
	PROPTEST_CASES=$(CASES) tools/cargo test --quiet --locked -p raskr-io --test files csv::damaged

demo: setup ## see it work: arrays larger than memory, and a hundred thousand small tasks
	@$(VENV)/python demo/demo.py

check: setup layers stubs ## formatting, lints, layers and stubs; warnings are errors
	cargo fmt --all -- --check
	tools/cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	$(VENV)/ruff check --quiet .
	$(VENV)/ruff format --quiet --check .

layers: setup ## check who imports whom, and what pure crates must not know
	@$(VENV)/python -m pytest -q tests/unit/test_layers.py

stubs: setup ## compare raskr._core with its type stubs
	@$(VENV)/python -m mypy.stubtest raskr._core --mypy-config-file pyproject.toml --allowlist tools/stubtest-allowlist.txt

format: setup ## format Rust and Python
	cargo fmt --all
	$(VENV)/ruff check --quiet --fix .
	$(VENV)/ruff format --quiet .

bench: setup ## time the hand-written loops and the engine against each other
	@tools/bench

conformance: setup ## run Dask's own tests against raskr (installs Dask apart, in .venv-dask)
	@tools/conformance

docs: setup ## build the reference of the Rust crates and of the Python package (docs/build)
	@tools/docs

lock: ## pin the newest versions of all Python packages (needs uv)
	@tools/lock --upgrade

clean: ## remove what the targets above made in the checkout
	rm -rf .venv .venv-dask docs/build raskr-demo-data python/raskr/_core*.so
	cargo clean --quiet
