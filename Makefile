# Every target does its own set-up. State of the set-up lies in .make/ and .venv/; `make clean` ends both.
SHELL := /bin/bash
PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
# Image environments are shared by the lab, the tour and the tests of this checkout.
export DLLAB_ENVS ?= $(CURDIR)/.make/envs
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export npm_config_update_notifier = false
# Most tests wait for processes of their own: some files at a time keep two cores busy.
SEVERAL := -n 2 --dist loadfile
# The oldest JupyterHub that is supported; Helm charts still bring one of its line.
HUB5 := 5.5.1
HUB5_BIN := $(CURDIR)/.make/hub5/bin
# What speaks to JupyterHub itself: pages, options, starts, pods, roles. All of it: HUB5_TESTS=tests/hub
HUB5_TESTS ?= $(addprefix tests/hub/test_,$(addsuffix .py,form_page options local refusals waiting_labs kube kube_config))
FRONT := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help lab test test-hub5 test-long tour check bench format build locks clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

lab: .make/lab ## start the lab on http://127.0.0.1:8000 (ARGS="--port 9000" and so on)
	@$(BIN)/dllab up $(ARGS)

test: .make/test .make/browser .make/image .make/hub5/ready ## run the tests (ARGS="-k form" and so on)
	@$(BIN)/python -m pytest -m "not long" $(if $(ARGS),$(ARGS),$(SEVERAL))
	@$(if $(ARGS),:,$(MAKE) --no-print-directory test-hub5)

test-hub5: .make/test .make/image .make/hub5/ready ## the hub's tests again, on the oldest JupyterHub
	@echo "==> the same hub on JupyterHub $(HUB5)"
	@$(HUB5_BIN)/python -m pytest -m "not long and not browser" $(SEVERAL) $(HUB5_TESTS)

test-long: export DLLAB_TEST_TRAINERS = $(CURDIR)/.make/trainers/bin/python
test-long: export DLLAB_TEST_KERAS2 = $(CURDIR)/.make/keras2/bin/python
test-long: .make/test .make/browser .make/image .make/trainers/ready .make/keras2/ready ## kill rounds, fuzzing, soaks, trainers
	@$(BIN)/python -m pytest -m long $(ARGS)

tour: .make/test .make/browser ## walk the whole product as a user would, for real
	@$(BIN)/python tests/tour/tour.py $(ARGS)

check: .make/test ## lint and types, Python and TypeScript
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@npm --prefix labextension run --silent lint

bench: .make/test .make/browser .make/image ## print the figures (AREA=launch|training|gpu|serving|frontend|kubernetes)
	@$(BIN)/python tests/benchmarks/bench.py $(AREA)

format: .make/test ## format the Python code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

build: .make/test ## wheel and sdist into dist/
	@rm -rf dist # The images take the one wheel in it.
	@$(BIN)/python -m build --outdir dist .

locks: .make/test .make/uv/ready ## what the container images install, anew (ARGS="serving lab": only these)
	@$(BIN)/python images/locks.py .make/uv/bin/uv $(ARGS)

clean: ## remove what the other targets made; the state of the lab (~/.local/share/dllab-hub) stays
	rm -rf .make .venv dist labextension/node_modules labextension/lib dllab_hub/labextension

# --- set-up ---------------------------------------------------------------------------------

.make/venv:
	@mkdir -p .make
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@echo "==> creating the virtual environment .venv"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

.make/node:
	@mkdir -p .make
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Node.js >= 20 and npm are needed: install them and run make again."; exit 1; }
	@node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' || { echo "Node.js >= 20 is needed; this is $$(node --version)."; exit 1; }
	@touch $@

# Installing builds the front end too, with npm; both are left alone when nothing has changed.
.make/package: .make/venv .make/node pyproject.toml dllab_hub/_version.py labextension/package.json $(FRONT)
	@echo "==> installing dllab-hub with JupyterHub, JupyterLab and the front end's build tools"
	@echo "    (about 150 MB to download, a minute)"
	@rm -rf dllab_hub/labextension
	@$(BIN)/python -m pip install --quiet -e '.[hub]'
	@touch $@

.make/lab: .make/package
	@touch $@

.make/test: .make/package
	@echo "==> installing the test and check tools"
	@$(BIN)/python -m pip install --quiet --group test --group check
	@touch $@

# An environment on top of .venv in which only JupyterHub is another: what holds there is due to it.
.make/hub5/ready: .make/test
	@echo "==> JupyterHub $(HUB5) beside the newest one"
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
	  > "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zzz.pth"
	@$(@D)/bin/python -m pip install --quiet 'jupyterhub==$(HUB5)'
	@ln -s $(VENV)/etc $(@D)/etc && ln -s $(VENV)/share/jupyter $(@D)/share/jupyter
	@touch $@

# It resolves for the images' platform, whichever this one is. An environment of its own: only this needs it.
.make/uv/ready: .make/venv
	@$(PYTHON) -m venv $(@D) && $(@D)/bin/python -m pip install --quiet 'uv>=0.9'
	@touch $@

# What trains on top of an image, as a lab has it: an overlay and a `pip install`.
define overlay
@echo "==> $(3) on the image $(2)"
@$(BIN)/dllab env build $(2)
@$(BIN)/python -c "from dllab_hub.catalog import interpreter; from dllab_hub.images.overlay import make; from dllab_hub.state import StateDir; make('$(1)', interpreter(StateDir.default(), '$(2)'))"
@$(1)/bin/python -m pip install --quiet $(3)
@touch $(1)/ready
endef

.make/trainers/ready: .make/image
	$(call overlay,$(@D),pytorch,lightning transformers accelerate)

# Its one dependency is another build of the TensorFlow that is there.
.make/keras2/ready: .make/image
	$(call overlay,$(@D),tensorflow,--no-deps tf_keras==2.21.0)

# The browser of the distribution; downloading one of its own is left to nobody.
.make/browser:
	@if ! command -v chromium >/dev/null; then \
	  echo "==> installing Chromium (Debian's package)"; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	  else echo "Chromium is needed by the browser tests: install the package 'chromium' and run make again."; exit 1; fi; fi
	@touch $@

.make/image: .make/package $(wildcard images/*/requirements.txt)
	@$(BIN)/dllab env build pytorch
	@$(BIN)/dllab env build serving
	@touch $@
