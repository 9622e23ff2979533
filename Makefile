# `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PREFIX ?= /usr
PLUGIN_DIR ?= /opt/cni/bin
PLACES = --destdir $(or $(DESTDIR),/) --prefix $(PREFIX) --plugin-dir $(PLUGIN_DIR)
PEERS := .cache/peers/bin
NEWER := .cache/peers/runtimes

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/ready
SOURCES := $(shell find cni_bridge schemas build -type f -not -name '*.pyc')

.PHONY: help setup fmt formatted lint type unit check try check-kernel check-versions check-cluster check-crash check-guest check-vlan \
	check-runtimes check-runtimes-newer test build generate docs install uninstall deb release \
	check-packages demo simulate simulate-cluster fuzz bench bench-cluster bench-page bench-runtimes \
	proof peers hooks lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do \
		printf '  %-22s %s\n' "$$target" "$$text"; done

setup: $(READY) ## install missing packages, then a virtual environment in .venv

$(READY): build/setup.sh requirements.lock
	@build/setup.sh $(VENV)
	@touch $@

fmt: $(READY) ## format, and fix what can be fixed
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix

lint: $(READY) ## ruff check
	$(PYTHON) -m ruff check

type: $(READY) ## mypy --strict
	$(PYTHON) -m mypy

unit: $(READY) ## unit tests, the layers and the import budget: no root, no kernel
	$(PYTHON) -m pytest tests/unit

check: $(READY) ## formatting, lint, types and unit tests, side by side
	@$(MAKE) --no-print-directory --jobs --output-sync=target formatted lint type unit

formatted: $(READY)
	$(PYTHON) -m ruff format --check

try: .cache/source/cni-bridge ## TESTS of the kernel from source, newest spec version, no build
	PLUGIN=$(abspath $<) SPEC_VERSIONS=newest $(PYTHON) -m pytest -q -x -n auto $(or $(TESTS),$(TRIED))

TRIED := tests/kernel/test_add.py tests/kernel/test_check.py tests/kernel/test_delete.py

.cache/source/cni-bridge: $(READY) build/source.py
	@$(PYTHON) build/source.py $@

check-kernel: build peers ## the executable on the real kernel, in private namespaces
	$(PYTHON) -m pytest -q -n auto --ignore=tests/kernel/guest tests/kernel tests/crash

check-versions: ## check-kernel with every spec version, not the oldest and newest alone
	@$(MAKE) --no-print-directory check-kernel SPEC_VERSIONS=all

check-cluster: build ## agents on hosts of their own, in private namespaces, and a real etcd
	@build/need.sh etcd=etcd-server etcdctl=etcd-client faketime ping=iputils-ping
	$(PYTHON) -m pytest -q -n auto tests/cluster

bench-cluster: build ## docs/evidence/cluster-figures.md: recovery after each failure, an ADD's cost (3 min)
	@build/need.sh etcd=etcd-server etcdctl=etcd-client faketime ping=iputils-ping
	$(PYTHON) -m tests.cluster.figures

check-crash: build peers ## every system call of ADD and DEL disturbed; writes docs/evidence/reliability.md
	$(PYTHON) -m tests.crash
	$(PYTHON) build/record_reliability.py

MINUTES ?= 5
HOSTS ?= 1000

check-guest: build ## TESTS on Debian's kernel, in an emulated machine
	$(PYTHON) build/guest.py -v $(or $(TESTS),tests/kernel/guest)

check-vlan: ## VLANs on a kernel that has them, in an emulated machine
	@$(MAKE) --no-print-directory check-guest TESTS="tests/kernel/guest tests/kernel/test_vlan.py"

check-runtimes: build ## the executable under podman, containerd and buildah, in private namespaces
	@build/runtimes.sh
	rm -f .cache/runtimes.json
	$(PYTHON) -m tests.runtimes -q -n auto --ignore=tests/runtimes/newer tests/runtimes
	$(PYTHON) -m tests.runtimes.table --check

check-runtimes-newer: build ## the same under containerd 2, built here; not in `make test`
	@build/runtimes.sh
	@build/newer-runtimes.sh $(NEWER)
	rm -f .cache/runtimes.json
	RUNTIMES=$(abspath $(NEWER)) $(PYTHON) -m tests.runtimes -q -n auto tests/runtimes/test_ctr.py \
		tests/runtimes/test_cri.py tests/runtimes/newer
	$(PYTHON) -m tests.runtimes.table --check

bench-runtimes: build ## docs/evidence/runtimes.md: pods and `podman run`, beside the reference (5 min)
	@build/runtimes.sh
	@build/peers.sh $(PEERS)
	$(PYTHON) -m tests.runtimes.commands
	RUNTIMES=$(abspath $(wildcard $(NEWER))) $(PYTHON) -m tests.runtimes.pods

test: check check-kernel check-cluster check-runtimes check-packages ## everything that CI runs

build: dist/cni-bridge/cni-bridge ## the executable, both shapes, into dist/

dist/cni-bridge/cni-bridge: $(READY) $(SOURCES)
	PYTHONHASHSEED=0 PYTHONNODEBUGRANGES=1 $(PYTHON) -m PyInstaller --noconfirm --log-level WARN \
		--workpath .cache/pyinstaller --distpath dist build/cni-bridge.spec
	@touch $@

generate: $(READY) ## the validators from schemas/, the message tables from pyroute2
	$(PYTHON) build/generate_messages.py
	$(PYTHON) build/generate_validators.py

docs: build ## the pages that are made: commands, recorded anew; configuration; the man page
	@build/need.sh etcd=etcd-server etcdctl=etcd-client
	$(PYTHON) build/record_commands.py
	$(PYTHON) build/generate_configuration.py
	$(PYTHON) build/generate_man.py

install: build ## everything to DESTDIR: PREFIX, and PLUGIN_DIR/cni-bridge pointing there
	$(PYTHON) build/install.py install $(PLACES)

uninstall: $(READY) ## remove what install made
	$(PYTHON) build/install.py uninstall $(PLACES)

deb: build ## a Debian package, into dist/release
	@build/need.sh dpkg-shlibdeps=dpkg-dev
	$(PYTHON) build/package.py deb

release: build ## package, wheel, sdist, portable, bill of materials, checksums, into dist/release
	@build/need.sh dpkg-shlibdeps=dpkg-dev
	$(PYTHON) build/package.py release

check-packages: build ## what a release offers, installed and tried in a bare Debian
	@build/need.sh dpkg-shlibdeps=dpkg-dev lintian mmdebstrap
	$(PYTHON) -m pytest tests/packages

demo: build peers ## the main job for real: ADD, ping, CHECK, DEL
	$(PYTHON) build/demo.py

simulate-cluster: $(READY) ## HOSTS hosts' lease traffic against a real etcd, some 5 minutes
	@build/need.sh etcd=etcd-server
	$(PYTHON) -m tests.cluster.sizing $(HOSTS)

simulate: build ## 20,000 random operations with a model beside them, some 20 minutes
	$(PYTHON) -m tests.simulation 20000

fuzz: build ## hostile requests for MINUTES: in process, guided by coverage, and to the executable
	$(PYTHON) -m tests.fuzz $(MINUTES)

bench: build peers ## ours and the peers, alternating; docs/evidence/benchmarks.md (5 min, quiet machine)
	@build/need.sh /usr/lib/podman/netavark=netavark
	$(PYTHON) -m tests.bench

bench-page: $(READY) ## docs/evidence/benchmarks.md, from the figures of the last run
	$(PYTHON) -m tests.bench --page

proof: build peers ## docs/evidence/firewall-proof.md: ours and the reference, by real traffic
	$(PYTHON) -m tests.traffic

peers: ## cnitool and the reference plugins, into .cache/peers/bin, where Go can be had
	@build/peers.sh $(PEERS)

hooks: ## let git check each commit's subject
	printf '#!/bin/sh\nexec %s build/commit_message.py "$$1"\n' $(PYTHON) > $$(git rev-parse --git-path hooks)/commit-msg
	chmod +x $$(git rev-parse --git-path hooks)/commit-msg

lock: $(READY) ## update requirements.lock from pyproject.toml
	$(PYTHON) -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
		--extra cluster --extra dev --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --output-file requirements.lock pyproject.toml

clean: ## remove everything that was built, the venv included
	rm -rf dist .cache $(VENV)
