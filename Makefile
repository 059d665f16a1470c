# Parley: who said what, when. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
AUDIO ?=
MODELS ?= demo
SHAPE ?= orch
MANIFEST ?=
OPTIONS ?=
DEPLOY = $(if $(MANIFEST),--manifest "$(MANIFEST)") $(OPTIONS)

help: ## list the commands
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

run: $(READY) ## transcribe the sample, or AUDIO=<file or URL>; SHAPE=single|split|orch; MODELS=real takes the hub's
	@$(BIN)/python -m demo.run $(if $(AUDIO),"$(AUDIO)") --shape "$(SHAPE)" --models "$(MODELS)"

test: lint ## check everything: style, types, imports, tests
	$(BIN)/python -m pytest

lint: $(READY) ## check style, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

accuracy: $(READY) ## measure word and speaker errors on the sample and on fresh conversations
	$(BIN)/python -m benchmarks.accuracy

long: $(READY) ## measure memory and time of a conversation of thirty minutes
	$(BIN)/python -m benchmarks.long_recording

fanout: $(READY) ## measure what the orchestrator adds to the endpoints that it calls
	$(BIN)/python -m benchmarks.fanout

cold-start: $(READY) ## time one job from zero workers, both endpoints at once and one by one
	@mkdir -p out
	$(BIN)/python -m benchmarks.cold_start --engines demo --picture out/cold-start.svg
	$(BIN)/python -m benchmarks.cold_start --engines stubs --picture out/cold-start-stubs.svg

bench-cold: $(READY) ## measure cold starts of full-size models: 5 GB in build/, 20 minutes
	$(BIN)/python -m benchmarks.cold

bench: $(READY) ## measure speed beside stock pyannote and NeMo, and over hours: more than an hour
	$(BIN)/python -m benchmarks.alignment
	$(BIN)/python -m benchmarks.transcription
	$(BIN)/python -m benchmarks.diarization
	$(BIN)/python -m benchmarks.diarization --long
	$(BIN)/python -m benchmarks.diarization --bounded
	$(BIN)/python -m benchmarks.side_by_side
	$(BIN)/python -m benchmarks.profiles
	$(BIN)/python -m benchmarks.speed

bench-planner: $(READY) ## simulate a year of ten million requests, and play half an hour on real workers
	$(BIN)/python -m benchmarks.simulator
	$(BIN)/python -m benchmarks.planner_trace --minutes 30

bench-coldstart: $(READY) ## find faults that are injected at known rates: 10 minutes
	$(BIN)/python -m benchmarks.coldstart_faults

models: $(READY) ## train the demo's models anew: 45 minutes each at most on 2 cores
	$(BIN)/python -m demo.recipes.transcriber
	$(BIN)/python -m demo.recipes.diarizer

setup: $(READY) ## install what is locked into .venv

$(READY): docker/locks/uv.txt docker/locks/dev.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "Parley needs Python 3.11; point PYTHON at one: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv \
		|| { rm -rf .venv; echo "Python cannot make an environment: apt-get install python3.11-venv"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docker/locks/uv.txt
	@echo "Installing what is locked into .venv: about 6 GB, once."
	@$(BIN)/uv pip sync --compile-bytecode --require-hashes --python $(BIN)/python docker/locks/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

locks: ## resolve docker/locks/*.in anew
	@for name in uv build single transcription diarization orchestrator dev; do \
		case $$name in single|transcription|diarization) without="--excludes docker/locks/excluded.txt";; \
			*) without="";; esac; \
		$(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 $$without \
			docker/locks/$$name.in -o docker/locks/$$name.txt; done

images: ## build all images on this machine: 25 GB, half an hour on 2 cores
	docker/build.sh orchestrator transcription diarization single

image-orchestrator: ## build the orchestrator's image
	docker/build.sh orchestrator

images-test: $(READY) images ## build all images, run them as workers, and test them
	PARLEY_TEST_IMAGES="orchestrator transcription diarization single" $(BIN)/python -m pytest tests/test_images.py

deploy-single: $(READY) ## make the single endpoint on RunPod (docs/deploying.md); MANIFEST=mine.toml
	$(BIN)/python -m deploy apply single $(DEPLOY)

deploy-split: $(READY) ## the same with one endpoint for the words and one for the speakers
	$(BIN)/python -m deploy apply split $(DEPLOY)

deploy-orch: $(READY) ## the same with an orchestrator before them
	$(BIN)/python -m deploy apply orch $(DEPLOY)

plan-%: $(READY) ## plan-single, plan-split, plan-orch: show what deploying would change
	$(BIN)/python -m deploy plan $* $(DEPLOY)

status-%: $(READY) ## status-single, ...: show the endpoints and their workers
	$(BIN)/python -m deploy status $* $(DEPLOY)

destroy-%: $(READY) ## destroy-single, ...: delete all of a shape; asks first
	$(BIN)/python -m deploy destroy $* $(DEPLOY)

format: $(READY) ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## write what is generated from the code into docs/
	$(BIN)/python -m handlers.schema docs
	$(BIN)/python -m benchmarks.planning

clean: ## remove what can be made again
	rm -rf .venv build out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: deploy-single deploy-split deploy-orch help run test lint accuracy long fanout cold-start bench-cold bench bench-planner bench-coldstart models setup locks images image-orchestrator images-test format docs clean
