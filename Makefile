# Targets for people: run, build, test, check, bench.
# All but build and lint want root; test and bench make their own machines
# (network namespaces) and leave this one's network alone. run is the program's
# own job: it starts the network "default" on this machine.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
# A number of runs rather than a time: at the end of a time the go command at
# times calls a worker that is still busy a failure.
FUZZTIME ?= 10000x

.PHONY: run build test check lint unit e2e modern hosts fuzz bench compare boot deps-test

run: build
	scripts/run bin/vnetmgr

build:
	$(GOBUILD) -o bin/vnetmgr ./cmd/vnetmgr

# With CI=true no test may pass by skipping.
test: export CI = true
test: deps-test lint unit e2e fuzz

check: lint unit fuzz

lint:
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./...
	go tool staticcheck ./...
	cd e2e/cni && go vet ./... # a module of its own
	go vet -tags modern,boot ./e2e

# As root these include the tests that need a kernel; each makes its own
# network namespace.
unit:
	go test -race -count=1 -timeout 4m $$(go list ./... | grep -v '/e2e')

e2e:
	go test -count=1 -timeout 12m ./e2e/...

# The daemons of libvirt 11 beside and against ours, in a Debian 13 tree that is
# made in the user's cache the first time. Not part of test: it takes minutes.
modern: deps-test
	scripts/deps modern
	tree=$$(scripts/modern) && go test -tags modern -count=1 -timeout 40m ./e2e -run TestModern -tree "$$tree"

# Beside firewalld, systemd-resolved, polkit, ufw and Docker, in a whole Debian
# that is unpacked into the user's cache once (800 MB, minutes).
hosts:
	scripts/deps test hosts
	tree=$$(scripts/tree) && go test -count=1 -timeout 12m ./e2e/hosts -tree "$$tree"

fuzz:
	scripts/fuzz $(FUZZTIME)

bench:
	scripts/deps test bench
	go run ./bench

# The networks of fixtures/ as guests see them, with libvirt and dnsmasq instead
# of vnetmgr: docs/compat.md has what may differ.
compare:
	scripts/deps test
	go test -count=1 -timeout 10m ./e2e -run TestFixturesLookAsTheyDid -service=libvirt

# Every way to boot over the network, with the firmware of emulated computers.
boot:
	scripts/deps test boot
	go test -count=1 -timeout 10m -tags boot ./e2e -run 'Boots' -v

deps-test:
	scripts/deps test
