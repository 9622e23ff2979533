# `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PREFIX ?= /usr
PLUGIN_DIR ?= /opt/cni/bin
PLACES = --destdir $(or $(DESTDIR),/) --prefix $(PREFIX) --plugin-dir $(PLUGIN_DIR)
PEERS := .cache/peers/bin
NEWER := .cache/peers/runtimes
KUBERNETES := .cache/peers/kubernetes

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/ready
SOURCES := $(shell find cni_bridge schemas build -type f -not -name '*.pyc')

.PHONY: help setup fmt formatted lint type unit check try check-kernel check-versions check-cluster check-crash check-guest check-vlan \
	check-upstream check-guest-upstream check-machine \
	check-runtimes check-runtimes-newer check-kubernetes check-kubernetes-e2e test build generate docs install uninstall deb release \
	check-reproducible check-packages demo simulate simulate-cluster simulate-day fuzz bench bench-cluster bench-kubernetes bench-page bench-runtimes \
	proof peers hooks lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do \
		printf '  %-22s %s\n' "$$target" "$$text"; done

setup: $(READY) ## install missing packages, then a virtual environment in .venv

$(READY): build/setup.sh requirements.lock
	@build/setup.sh $(VENV)
	@touch $@

fmt: $(READY) ## format the code and apply safe fixes
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix

lint: $(READY) ## ruff check
	$(PYTHON) -m ruff check

type: $(READY) ## mypy --strict
	$(PYTHON) -m mypy

unit: $(READY) ## unit tests, layers, import budget, documents: no root, no kernel state
	$(PYTHON) -m pytest tests/unit

check: $(READY) ## formatting, lint, types and unit tests, side by side
	@$(MAKE) --no-print-directory --jobs --output-sync=target formatted lint type unit

formatted: $(READY)
	$(PYTHON) -m ruff format --check

try: .cache/source/cni-bridge ## kernel tests (TESTS=...) from source, newest spec version, without a build
	PLUGIN=$(abspath $<) SPEC_VERSIONS=newest $(PYTHON) -m pytest -q -x -n auto $(or $(TESTS),$(TRIED))

TRIED := tests/kernel/test_add.py tests/kernel/test_check.py tests/kernel/test_delete.py

.cache/source/cni-bridge: $(READY) build/source.py
	@$(PYTHON) build/source.py $@

check-kernel: build peers ## the executable on the real kernel, in private namespaces
	build/test.sh $(PYTHON) -m pytest -q --ignore=tests/kernel/guest tests/kernel tests/crash

check-versions: ## check-kernel with every spec version, not only the oldest and newest
	@$(MAKE) --no-print-directory check-kernel SPEC_VERSIONS=all

check-cluster: build ## agents on several private hosts, with a real etcd
	@build/need.sh etcd=etcd-server etcdctl=etcd-client faketime ping=iputils-ping
	build/test.sh $(PYTHON) -m pytest -q tests/cluster

bench-cluster: build ## measure recovery and cost of cluster networks: docs/evidence/cluster-figures.md (3 min)
	@build/need.sh etcd=etcd-server etcdctl=etcd-client faketime ping=iputils-ping
	$(PYTHON) -m tests.cluster.figures

check-crash: build peers ## disturb every system call of ADD and DEL: docs/evidence/reliability.md
	$(PYTHON) -m tests.crash
	$(PYTHON) build/record_reliability.py

MINUTES ?= 5
HOSTS ?= 1000

check-guest: build ## TESTS in an emulated machine with Debian's kernel
	$(PYTHON) build/guest.py -v $(or $(TESTS),tests/kernel/guest)

check-vlan: ## VLAN tests in an emulated machine, on a kernel that has VLANs
	@$(MAKE) --no-print-directory check-guest TESTS="tests/kernel/guest tests/kernel/test_vlan.py"

check-upstream: build ## the reference's own test suites with cni-bridge in its place
	build/test.sh $(PYTHON) -m pytest -q tests/upstream

check-guest-upstream: build ## their specs about VLANs, in an emulated machine (5 min)
	$(PYTHON) -m tests.upstream
	@$(MAKE) --no-print-directory check-guest TESTS=tests/upstream

check-machine: deb ## TESTS on a whole Debian 12 and 13: systemd, reboot, firewalls, Docker (SUITES=bookworm:qemu: 12, with its own kernel)
	@build/need.sh dpkg-shlibdeps=dpkg-dev
	$(PYTHON) -m pytest -v $(or $(TESTS),tests/machine)

check-runtimes: build ## podman, containerd and buildah with the executable, in private namespaces
	@build/runtimes.sh
	rm -f .cache/runtimes.json
	build/test.sh $(PYTHON) -m tests.runtimes -q --ignore=tests/runtimes/newer tests/runtimes
	$(PYTHON) -m tests.runtimes.table --check

check-runtimes-newer: build ## the same with containerd 2, built here; not part of `make test`
	@build/runtimes.sh
	@build/newer-runtimes.sh $(NEWER)
	rm -f .cache/runtimes.json
	RUNTIMES=$(abspath $(NEWER)) $(PYTHON) -m tests.runtimes -q -n auto tests/runtimes/test_ctr.py \
		tests/runtimes/test_cri.py tests/runtimes/newer
	$(PYTHON) -m tests.runtimes.table --check

check-kubernetes: build ## Kubernetes and etcd 3.7, built here (1 h), with the executable: docs/evidence/kubernetes.md
	@build/runtimes.sh
	@build/need.sh curl faketime ping=iputils-ping
	@build/kubernetes.sh $(KUBERNETES)
	rm -f .cache/kubernetes.json
	$(PYTHON) -m tests.kubernetes
	PATH=$(abspath $(KUBERNETES)):$$PATH $(PYTHON) -m pytest -q -n auto tests/cluster
	$(PYTHON) -m tests.kubernetes.page

check-kubernetes-e2e: build peers ## Kubernetes' own network tests, with cni-bridge and with the reference (1 h): docs/evidence/kubernetes.md
	@build/runtimes.sh
	@build/need.sh conntrack curl dig=bind9-dnsutils nc.openbsd=netcat-openbsd
	@build/kubernetes.sh $(KUBERNETES) etcd kubernetes containerd e2e critest coredns
	$(PYTHON) -m tests.kubernetes.e2e
	$(PYTHON) -m tests.kubernetes.page

bench-kubernetes: build peers ## how long the kubelet's pods take beside the reference: docs/evidence/kubernetes.md (10 min, quiet machine)
	@build/runtimes.sh
	@build/kubernetes.sh $(KUBERNETES)
	$(PYTHON) -m tests.kubernetes.pods
	$(PYTHON) -m tests.kubernetes.page

bench-runtimes: build ## measure pods and `podman run` beside the reference: docs/evidence/runtimes.md (5 min)
	@build/runtimes.sh
	@build/peers.sh $(PEERS)
	$(PYTHON) -m tests.runtimes.commands
	RUNTIMES=$(abspath $(wildcard $(NEWER))) $(PYTHON) -m tests.runtimes.pods

test: check check-kernel check-upstream check-cluster check-runtimes check-packages ## everything that CI runs

build: dist/cni-bridge/cni-bridge ## build the executable, both shapes, into dist/

dist/cni-bridge/cni-bridge: $(READY) $(SOURCES)
	@build/sources.sh $(PYTHON) $(CURDIR)/.cache
	PYTHONHASHSEED=0 PYTHONNODEBUGRANGES=1 $(PYTHON) -m PyInstaller --noconfirm --log-level WARN \
		--workpath .cache/pyinstaller --distpath dist build/cni-bridge.spec
	@touch $@

generate: $(READY) ## generate validators from schemas/ and message tables from pyroute2
	$(PYTHON) build/generate_messages.py
	$(PYTHON) build/generate_validators.py

docs: build ## generate pages: commands (recorded again), configuration, man page
	@build/need.sh etcd=etcd-server etcdctl=etcd-client
	$(PYTHON) build/record_commands.py
	$(PYTHON) build/generate_configuration.py
	$(PYTHON) build/generate_man.py

install: build ## install to DESTDIR: PREFIX, and a link at PLUGIN_DIR/cni-bridge
	$(PYTHON) build/install.py install $(PLACES)

uninstall: $(READY) ## remove what install created
	$(PYTHON) build/install.py uninstall $(PLACES)

deb: build ## build a Debian package into dist/release
	@build/need.sh dpkg-shlibdeps=dpkg-dev
	$(PYTHON) build/package.py deb

release: build ## build package, wheel, sdist, portable, bill of materials and checksums into dist/release
	@build/need.sh dpkg-shlibdeps=dpkg-dev
	$(PYTHON) build/package.py release

check-reproducible: build ## build twice, in two directories, and compare (2 min)
	@build/twice.sh

check-packages: build ## install what a release contains in a bare Debian, and try it
	@build/need.sh dpkg-shlibdeps=dpkg-dev lintian mmdebstrap
	$(PYTHON) -m pytest tests/packages

demo: build peers ## the main job for real: ADD, ping, CHECK, DEL
	$(PYTHON) build/demo.py

simulate-cluster: $(READY) ## lease traffic of HOSTS hosts against a real etcd (5 min)
	@build/need.sh etcd=etcd-server
	$(PYTHON) -m tests.cluster.sizing $(HOSTS)

simulate-day: build ## 24 hours of agents whose clocks are fast, with failures at random, for each store (50 min)
	@build/need.sh etcd=etcd-server etcdctl=etcd-client
	$(PYTHON) -m tests.cluster.day kubernetes 24
	$(PYTHON) -m tests.cluster.day etcd 24

simulate: build ## 20,000 random operations, compared with a model (20 min)
	$(PYTHON) -m tests.simulation 20000

fuzz: build ## hostile requests for MINUTES, in process (guided by coverage) and to the executable
	$(PYTHON) -m tests.fuzz $(MINUTES)

bench: build peers ## measure cni-bridge and its peers in turn: docs/evidence/benchmarks.md (12 min, quiet machine)
	@build/need.sh /usr/lib/podman/netavark=netavark
	$(PYTHON) -m tests.bench

bench-page: $(READY) ## write docs/evidence/benchmarks.md from the figures of the last run
	$(PYTHON) -m tests.bench --page

proof: build peers ## which packets pass, beside the reference: docs/evidence/firewall-proof.md
	$(PYTHON) -m tests.traffic

peers: ## build cnitool and the reference plugins into .cache/peers/bin, if Go is available
	@build/peers.sh $(PEERS)

hooks: ## let git check each commit's subject
	printf '#!/bin/sh\nexec %s build/commit_message.py "$$1"\n' $(PYTHON) > $$(git rev-parse --git-path hooks)/commit-msg
	chmod +x $$(git rev-parse --git-path hooks)/commit-msg

lock: $(READY) ## update requirements.lock from pyproject.toml
	$(PYTHON) -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
		--extra cluster --extra dev --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --output-file requirements.lock pyproject.toml

clean: ## remove everything that was built, including the virtual environment
	rm -rf dist .cache $(VENV)
