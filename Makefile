# Everything that is done with this tree; `make help` lists it. What takes more than a few lines is in scripts/.

# Where `install` puts things, and a root to put in front of that for packagers.
PREFIX = /usr/local
DESTDIR =
# How long `fuzz` tries each entrance.
SECONDS = 60
# How many clusters `simulate` plays.
SEEDS = 1000

.PHONY: help deps build check demo demo-simple lab bench figures simulate units machines tidy fuzz sanitize \
    install uninstall clean

help:       ## list the targets (what a plain `make` does)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

deps:       ## install the Debian packages that are missing, and say what each is for
	@scripts/deps

build:      ## make the release executables, fully static, in build/bin
	@scripts/deps building lab
	@scripts/build

check: deps build ## everything that must pass: a strict build, all tests, the manual, the units
	@scripts/test

demo: build ## watch three hosts elect who keeps an address alive (private namespaces; no root needed)
	@build/bin/qure-lab demo --svg build/demo.svg

demo-simple: build ## the same without the election, by qure-standby
	@build/bin/qure-lab demo --simple --svg build/demo-simple.svg

lab: build  ## a shell in a small LAN of network namespaces
	@build/bin/qure-lab shell

bench: deps build ## measure speed and size beside arping, ping, fping, ip and keepalived
	@scripts/bench

figures: deps build ## measure the election at several paces beside keepalived, into docs/ (twenty minutes)
	@build/bin/qure-lab figures --directory docs

simulate: build ## play SEEDS=1000 simulated clusters, or tell the story of one (SEED=n)
	@build/bin/qure-simulate $(if $(SEED),seed $(SEED),seeds $(SEEDS))

units:      ## try the unit under a real systemd, in two containers (root)
	@scripts/deps building lab units
	@scripts/test-units

machines:   ## try the election on virtual machines: power button, pause, resume (root)
	@scripts/deps building lab machines
	@scripts/test-machines

tidy: deps  ## the rules of style, layers and files alone
	@scripts/test TidyTests

fuzz: deps  ## feed the decoders garbage for SECONDS=60 each
	@scripts/fuzz $(SECONDS)

sanitize: deps ## the unit and system tests again, under address and thread sanitizer
	@scripts/test --sanitize=address WireTests DNSTests ProtocolTests SystemTests
	@scripts/test --sanitize=thread WireTests DNSTests ProtocolTests SystemTests

# Not built anew where there is something to install: root often has no Swift in its path.
install: build/bin/qure-probe ## install executables, manual, units, scripts, completions (PREFIX, DESTDIR)
	@scripts/install '$(DESTDIR)' '$(PREFIX)'

uninstall:  ## remove what install put there (same PREFIX and DESTDIR)
	@scripts/install --remove '$(DESTDIR)' '$(PREFIX)'

clean:      ## remove everything that was built
	rm -rf build .build .build-*

build/bin/qure-probe:
	@$(MAKE) build
