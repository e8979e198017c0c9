# Every target sets up what it needs, as root or not, and is quick the second time.

BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --constraint constraints.txt
# Stamps, touched when a step is done: the interpreter itself is a link to an older file.
VENV := .venv/.made
LAB := .venv/.lab
TEST := .venv/.test
PYTEST := $(BIN)/pytest
# More than most machines for tests have cores: many tests wait for servers, which cost nothing meanwhile.
WORKERS := --numprocesses 3 --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help demo lab test test-docker test-versions quick fresh film pictures soak mutants check bench clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(LAB) ## Run the whole pipeline once and leave out/demo.html.
	@$(BIN)/labkit demo

lab: $(LAB) ## Open JupyterLab on the first notebook.
	@$(BIN)/labkit lab .

# Printed with the command, so that what failed can be tried again: make test SEED=…
test soak: SEED := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))
test: $(TEST) ## Run every test: unit, real servers, both sidecars, notebooks.
	$(PYTEST) $(WORKERS) --hypothesis-seed=$(SEED) tests
	$(PYTEST) -p tests.lab_home --nbval --nbval-current-env --nbval-cell-timeout=120 $(WORKERS) notebooks
	@echo "The same with the newest Prometheus, redis_exporter and Redis"
	$(BIN)/python scripts/versions.py --newest

test-versions: $(TEST) ## Run what depends on other programs on those of Debian 12, 13 and unstable.
	$(BIN)/python scripts/versions.py

soak: $(TEST) ## Try many more random sequences of faults.
	HYPOTHESIS_PROFILE=soak $(PYTEST) --timeout 0 --hypothesis-seed=$(SEED) tests/writer tests/sidecar/test_sequences.py

test-docker: $(TEST) ## Run the containers on a Docker engine of the tests' own (as root, on Debian).
	$(PYTEST) tests/docker

fresh: $(LAB) ## Run demo and test on a new, minimal Debian (as root): RELEASE=trixie TARGETS="demo test" FURNISHED=yes.
	@$(BIN)/python -m scripts.fresh $(if $(FURNISHED),--furnished) $(or $(RELEASE),trixie) $(or $(TARGETS),demo test)

film: $(TEST) ## Film a pause of Redis in a real browser, for the README.
	mkdir -p out
	for theme in Light Dark; do LABKIT_THEME=$$theme $(PYTEST) tests/browser/test_teaching.py || exit; done
	cp out/film-light.webp out/film-dark.webp docs/

pictures: $(TEST) ## Take the pictures of README and docs/ anew, in a real browser.
	LABKIT_PICTURES=30 $(PYTEST) --timeout 600 tests/browser/test_start_here.py tests/browser/test_control_panel.py

mutants: $(TEST) ## Change flush.lua line by line: does a test fail each time?
	$(BIN)/python scripts/mutants.py

quick: $(TEST) ## Lint, check the types, and run the tests of what changed since the last commit.
	@$(BIN)/python scripts/quick.py

check: $(TEST) ## Lint, check the types and the structure.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry labkit scripts
	$(BIN)/lint-imports --no-logo
	$(PYTEST) --quiet tests/test_public.py tests/test_docs.py

bench: $(TEST) ## Measure, and print ratios.
	@for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

clean: ## Stop the lab and remove all that these targets made.
	@# It alone knows what in .labkit is its own.
	@[ ! -x $(BIN)/labkit ] || $(BIN)/labkit down
	rm -rf .venv out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV): scripts/venv.sh
	@echo "Making a virtual environment in .venv"
	@scripts/venv.sh
	@touch $@

$(LAB): $(VENV) pyproject.toml constraints.txt
	@echo "Installing the lab into .venv (once, about a minute)"
	@# Under this name, labkit was installed before, and an index has somebody else's package of the same name.
	@$(BIN)/python -m pip uninstall --quiet --quiet --yes labkit
	@$(PIP_INSTALL) --editable '.[lab]'
	@touch $@

$(TEST): $(LAB)
	@echo "Installing what the tests need into .venv (once)"
	@$(PIP_INSTALL) --editable '.[test]'
	@# A peer to measure: it asks for a redis-py below 5, but runs with ours.
	@$(PIP_INSTALL) --no-deps prometheus_redis_client
	@touch $@
