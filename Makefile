# One line each: make help. Every target sets up what it needs in .venv first, and is quick when that is done.
PYTHON ?= python3
DEMO_OUT ?= demo-out
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
BENCH_READY := $(VENV)/.ready-bench
INSTALL := sh scripts/setup_venv.sh "$(PYTHON)" $(VENV)
NEEDS := pyproject.toml constraints.txt scripts/setup_venv.sh

.PHONY: help setup demo test lint docs format bench clean
.NOTPARALLEL:

help:
	@echo "make demo    simulate, image, measure, separate, check and report; results in $(DEMO_OUT)/"
	@echo "make test    all tests (ARGS='-k turnover' to choose some)"
	@echo "make lint    style, types and import directions (make format mends the style)"
	@echo "make docs    the documentation in build/site, warnings are errors (make lint builds it too)"
	@echo "make bench   every script in benchmarks/"
	@echo "make setup   only the set-up: virtual environment in $(VENV), window and browser packages"
	@echo "make clean   remove caches, builds and $(DEMO_OUT)/ (the environment stays: rm -rf $(VENV))"
	@echo "PYTHON=python3.12 in front of the first call chooses the Python of $(VENV)."

$(RUN_READY): $(NEEDS)
	@$(INSTALL) napari
	@touch $@

$(DEV_READY): $(NEEDS)
	@$(INSTALL) napari,test,dev
	@touch $(RUN_READY) $@

$(BENCH_READY): $(NEEDS)
	@$(INSTALL) bench
	@touch $@

setup: $(DEV_READY)
	@sh scripts/setup_x.sh

demo: $(RUN_READY)
	@$(BIN)/synimg demo --out "$(DEMO_OUT)"

# A worker has a core to itself: threads of the linear algebra would only stand in the way of the other workers.
test: $(DEV_READY)
	@sh scripts/setup_x.sh
	@OMP_NUM_THREADS=1 sh scripts/with_x.sh $(BIN)/python -m pytest -n auto --maxprocesses=4 \
	    --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/mkdocs build --strict --quiet

docs: $(DEV_READY)
	$(BIN)/mkdocs build --strict
	@echo "open build/site/index.html; its search needs a server: $(BIN)/python -m http.server -d build/site"

format: $(DEV_READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH_READY)
	@for script in benchmarks/*.py; do \
	    test -e "$$script" || continue; \
	    echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

clean:
	rm -rf "$(DEMO_OUT)" build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find synimg phantoms analysis viewers tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
