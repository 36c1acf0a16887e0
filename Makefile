# Basecast. `make help` lists what there is; a fresh machine needs Python 3.11 or newer and nothing else.

PORT ?= 8000
HOST ?= 127.0.0.1
PYTHON ?= python3
DEVICE ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
VENV := .venv
BIN := $(VENV)/bin
TRAINING := $(BIN)/python -m training
CONFIGS := training/configs
BUNDLES := utrseq-decay utrseq-decay-dnabert2 human-promoter-kmer-ridge human-promoter-expression \
  pf-region-ridge pf-dexter pf-expression geuvadis-elastic-net geuvadis-personal
FOLDED := human-promoter-expression pf-expression
# Not shipped; they only stand in docs/accuracy, in this order, so that a model is evaluated after those beside it.
CHECKED := utrseq-random-dnabert2 utrseq-random-morph-d utrseq-random-morph-o utrseq-random-convolution \
  ecoli-promoter siegel-beas2b siegel-jurkat yeast-promoter
CHECKED_FOLDED := yeast-promoter
COMPARED := utrseq-decay human-promoter-expression pf-expression utrseq-random-convolution \
  ecoli-promoter siegel-beas2b siegel-jurkat yeast-promoter geuvadis-personal
SOURCES := app training tests benchmarks examples deploy
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install serve test programs lint format bench bench-redis bench-peers bench-beside bench-quick gpu-check dashboards monitoring-pictures soak train train-checks report image sbom requirements up down clean bench-people bench-haplotypes bench-sizing

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.serve ## Create .venv with everything that serving needs

serve: install ## Serve the bundles in models/ and the example cohort (PORT=8000 HOST=127.0.0.1 DEVICE=cpu|gpu)
	BASECAST_CONFIG=$${BASECAST_CONFIG-examples/serve.toml} $(BIN)/basecast serve --host $(HOST) --port $(PORT)

test: $(VENV)/.test programs ## Install what testing needs and run every test
	$(BIN)/pytest --cov --cov-report=term

# Debian's packages, unpacked into .venv; without apt or a network the tests that need them are skipped.
programs: $(VENV)/.test
	@$(BIN)/python -m tests.debian
	@$(BIN)/python -m tests.apt

lint: $(VENV)/.test ## Check style, types and the direction of imports
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/.test ## Measure the service against raw ONNX Runtime and write benchmarks/README.md
	$(BIN)/python -m benchmarks

bench-redis: $(VENV)/.test ## Measure the queue through Redis beside that in the process and write benchmarks/redis.md
	$(BIN)/python -m benchmarks.redis_queue

bench-haplotypes: $(VENV)/.test ## Measure building haplotypes beside bcftools and GenVarLoader and write benchmarks/haplotypes.md
	$(BIN)/python -m benchmarks.haplotypes

bench-peers: $(VENV)/.test ## Measure the service beside five other servers and write benchmarks/peers.md (45 minutes)
	$(BIN)/python -m benchmarks.peers

bench-beside: $(VENV)/.test ## Measure the service and the best peers in turn, seconds apart, and write benchmarks/beside.md (35 minutes)
	$(BIN)/python -m benchmarks.peers.beside

bench-quick: $(VENV)/.test ## Compare the service's ratios to bare ONNX Runtime with the committed ones (RECORD=--record writes them)
	$(BIN)/python -m benchmarks.quick $(RECORD)

gpu-check: $(VENV)/.test ## Check and measure the service on a CUDA machine and write benchmarks/gpu.md; status 69 without one
	$(BIN)/python -m benchmarks.gpu

dashboards: $(VENV)/.test ## Write deploy/grafana/dashboards from deploy/grafana/generate
	$(BIN)/python -m deploy.grafana.generate

monitoring-pictures: $(VENV)/.test programs ## Play load and faults before Prometheus and draw docs/monitoring
	$(BIN)/python -m tests.monitoring docs/monitoring

bench-people: $(VENV)/.test ## Measure what a person of a cohort costs with segments (BASECAST_DATA) and write benchmarks/people.md
	$(BIN)/python -m benchmarks.people

bench-sizing: $(VENV)/.test ## Measure what one core computes of each bundle and write the tables of docs/sizing.md
	$(BIN)/python -m benchmarks.sizing

SECONDS ?= 600
soak: $(VENV)/.test ## Break processes and Redis at random under load (SECONDS=600); fails if an answer is lost or doubled
	$(BIN)/python -m tests.soak --seconds $(SECONDS)

# One thread, so that the sums have the same order, and the weights are the same, on every run.
train: $(VENV)/.test ## Train the shipped bundles again (BASECAST_DATA=folder of data sets; an hour on one core)
	for bundle in $(BUNDLES); do $(TRAINING) prepare $(CONFIGS)/$$bundle.toml && $(TRAINING) fit $(CONFIGS)/$$bundle.toml --device cpu --threads 1 || exit 1; done
	for bundle in $(FOLDED); do $(TRAINING) crossvalidate $(CONFIGS)/$$bundle.toml --device cpu --threads 1 || exit 1; done
	for bundle in $(BUNDLES); do $(TRAINING) evaluate $(CONFIGS)/$$bundle.toml --device cpu && $(TRAINING) export $(CONFIGS)/$$bundle.toml --made-by 'make train' || exit 1; done

train-checks: $(VENV)/.test ## Train what stands only in docs/accuracy, after `make train` (two hours on one core)
	for config in $(CHECKED); do $(TRAINING) prepare $(CONFIGS)/$$config.toml && $(TRAINING) fit $(CONFIGS)/$$config.toml --device cpu --threads 1 || exit 1; done
	for config in $(CHECKED_FOLDED); do $(TRAINING) crossvalidate $(CONFIGS)/$$config.toml --device cpu --threads 1 || exit 1; done
	for config in $(CHECKED); do $(TRAINING) evaluate $(CONFIGS)/$$config.toml --device cpu || exit 1; done

report: $(VENV)/.test ## Write docs/accuracy from the runs that are there (after `make train train-checks`)
	$(TRAINING) report $(COMPARED:%=$(CONFIGS)/%.toml)

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' app/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BUILD = docker build --file docker/Dockerfile --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)

image: ## Build the container image basecast:cpu or basecast:gpu (DEVICE=cpu|gpu)
	$(BUILD) --target $(DEVICE) --tag basecast:$(DEVICE) --tag basecast:$(VERSION)-$(DEVICE) .

sbom: ## Write sbom.cdx.json, the list of what is in the image (DEVICE=cpu|gpu)
	$(BUILD) --target sbom-$(DEVICE) --output type=local,dest=. .

up: ## Start api, workers, Redis, Prometheus and Grafana with docker compose (DEVICE=cpu|gpu PORT=8000)
	docker/secrets.sh
	PORT=$(PORT) docker compose --profile $(DEVICE) up --build --detach --wait

down: ## Stop what `make up` has started
	docker compose --profile cpu --profile gpu down

# In an environment of its own, so that what compiles does not choose versions of what is compiled.
COMPILE = build/compile/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 \
  --python-platform x86_64-manylinux_2_28 --system-certs --custom-compile-command 'make requirements'
requirements: ## Compile docker/requirements from pyproject.toml again; --upgrade what is there with UPGRADE=--upgrade
	$(PYTHON) -m venv build/compile
	build/compile/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	for device in cpu gpu; do $(COMPILE) $(UPGRADE) --extra $$device --extra otel --output-file docker/requirements/$$device.txt pyproject.toml || exit 1; done
	for name in build sbom; do $(COMPILE) $(UPGRADE) --output-file docker/requirements/$$name.txt docker/requirements/$$name.in || exit 1; done

clean: ## Remove .venv, caches and runs
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage runs

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Basecast needs Python 3.11 or newer: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) ..."
	@$(PIP) --editable '.[$(DEVICE)]'
	@touch $@

# torch comes first and by itself, so that no other package chooses its version.
$(VENV)/.test: $(VENV)/.serve
	@echo "Installing into $(VENV) ..."
	@$(PIP) torch==2.13.0
	@echo "Installing into $(VENV) ..."
	@$(PIP) --editable '.[$(DEVICE),train,test]'
	@touch $@
