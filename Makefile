# Everything needs only Python 3.11 or later and make; each target makes the environment it needs.
SHELL := bash
.SHELLFLAGS := -eo pipefail -c
PYTHON ?= python3
INSTALL = -m pip install --disable-pip-version-check --no-compile --no-deps --require-hashes -r
# A dot for each package: pip's own words are three hundred lines.
DOTS = awk '/^(Collecting|Processing)/ {printf "."; fflush()} END {print " done"}'
# What is run as a process again and again is compiled at once: Python itself does it only where it may write.
COMPILE = (cd $(@D) && bin/python -m compileall -q -j 0 lib >/dev/null || true)
# A command of a venv's own: the ones that pip writes name its path, which a shell or the system may not read as it is.
COMMAND = printf '%s\n' '\#!/bin/sh' 'exec "$${0%/*}/python" -P -m $(1) "$$@"' >$(@D)/bin/$(2) && chmod +x $(@D)/bin/$(2)

.PHONY: help demo load bench lab test why e2e simulate mutants check lock clean

help: ## show this
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: .venv/installed .venv-sam/installed ## the whole story, in two minutes, without AWS and Docker
	.venv/bin/python -m trials demo

load: .venv/installed .venv-sam/installed ## who notices a deployment: 200 requests a second, three ways of deploying
	.venv/bin/python -m trials load

bench: .venv/installed .venv-sam/installed .venv-runtime/installed .venv-aws/installed .venv-ecs-deploy/installed ## cold starts, packages, push to deployment, and calls as a cluster grows
	PYTHONPATH=layers/pushlive:functions:. .venv/bin/python -m trials.bench

lab: .venv/installed .venv-sam/installed .venv-aws/installed ## AWS on this machine, until Ctrl-C, for your own sam and docker commands; PORT=4566
	.venv/bin/python -m lab $(if $(PORT),--port $(PORT))

test: .venv/installed .venv-sam/installed .venv-aws/installed .venv-runtime/installed .venv-checkov/installed ## all tests, in two processes: labs wait more than they work
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

why: .venv/installed ## why did it (not) deploy? What is wrong, with its cure: STACK=pushlive; as JSON: JSON=1
	@PYTHONPATH=layers/pushlive:. .venv/bin/python -m commands.why $(STACK) $(if $(JSON),--json) || [ $$? -eq 1 ]

e2e: .venv/installed .venv-sam/installed .venv-aws/installed ## the same with Docker, the AWS CLI and sam local invoke
	.venv/bin/python -m pytest tests/e2e -o log_cli=true --log-cli-level=INFO --log-cli-format='%(message)s' -o timeout=900

SECONDS ?= 60
simulate: .venv/installed ## random scenarios in virtual time, on all cores, for SECONDS=60 or until a check fails
	PYTHONPATH=layers/pushlive:functions:. .venv/bin/python -m trials.simulation simulate $(SECONDS)

mutants: .venv/installed ## deliberate defects, and which check catches each; small changes of the code, and whether a test notices each
	PYTHONPATH=layers/pushlive:functions:. .venv/bin/python -m trials.simulation mutants
	.venv/bin/python -m trials.mutation

check: .venv/installed ## lint, format and types
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/python -m mypy

# Renovate repeats the command that it finds at the top of each lock file; pyproject.toml has the rest of the options.
LOCK = uv pip compile --quiet
lock: ## write the lock files anew (needs uv)
	for each in lab sam aws runtime checkov ecs-deploy; do $(LOCK) --upgrade --python-version=3.11 --output-file=requirements/$$each.txt requirements/$$each.in; done
	$(LOCK) --upgrade --python-version=3.13 --output-file=layers/pushlive/requirements.txt layers/pushlive/requirements.in

clean: ## remove everything that was made here
	rm -rf .venv .venv-sam .venv-aws .venv-runtime .venv-checkov .venv-ecs-deploy .aws-sam .lab .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# A Python that does not do is refused in one line, before anything is installed.
define VENV
@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
  { echo "pushlive needs Python 3.11 or later. $(PYTHON) is $$("$(PYTHON)" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo not there). Name another one, as in: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
  { echo "$(PYTHON) cannot make virtual environments. Install its venv (on Debian and Ubuntu: apt install python3-venv), or name another Python, as in: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
@echo "Installing $(1) into $(@D) (a minute, once) ..."
@"$(PYTHON)" -m venv --clear $(@D)
@set -o pipefail; $(@D)/bin/python $(INSTALL) $< | $(DOTS)
endef

.venv/installed: requirements/lab.txt
	$(call VENV,the lab and the test tools)
	@touch $@

.venv-sam/installed: requirements/sam.txt
	$(call VENV,SAM CLI)
	@$(COMPILE) && $(call COMMAND,samcli,sam) && touch $@

.venv-aws/installed: requirements/aws.txt
	$(call VENV,the AWS CLI)
	@$(COMPILE) && $(call COMMAND,awscli,aws) && touch $@

.venv-ecs-deploy/installed: requirements/ecs-deploy.txt
	$(call VENV,ecs-deploy)
	@$(COMPILE) && touch $@

.venv-checkov/installed: requirements/checkov.txt
	$(call VENV,checkov)
	@touch $@

# By Lambda's own Python where that is installed (pyenv's shim runs only the version that is asked for). It holds what its
# lock names and nothing else, not even pip: whatever the built functions import besides must come from sam build.
.venv-runtime/installed: requirements/runtime.txt | .venv/installed
	@echo "Installing Lambda's runtime interface client into .venv-runtime (once) ..."
	@export PYENV_VERSION=3.13; python=python3.13; \
	  $$python -c "" 2>/dev/null || { unset PYENV_VERSION; python="$(PYTHON)"; }; "$$python" -m venv --clear --without-pip $(@D)
	@set -o pipefail; PIP_PYTHON=$(@D)/bin/python .venv/bin/python $(INSTALL) $< | $(DOTS)
	@$(COMPILE) && touch $@
