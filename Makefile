# What people do in this repository. `make` alone lists it.

GO       ?= go
FUZZTIME ?= 20s
BENCH    ?= .
PKG      ?= ./...

# The programs are built without gRPC's own pages for tracing, which nobody serves: with
# their templates the linker keeps every method of every type, a quarter of the agent.
TAGS = grpcnotrace

# Tests of these packages run under the race detector: they share state between
# goroutines. The others only compute, and there it would cost minutes and find
# nothing; their tests of concurrent use have Concurrent in their names and run
# under it too.
RACY = /(verifier|ca|tokens|client|tee/(endorsements/store|[a-z]+/guest)|internal/(server|store|inforce|revocation|continuous|agent|console|admin|federation))(/|$$)

# The folders with such tests.
CONCURRENT = grep -rlE --include='*_test.go' '^func Test[A-Za-z0-9_]*Concurrent' . | xargs -r -n1 dirname | sort -u

# The linter's version stands in tools/go.mod, apart from the product's.
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck

.DEFAULT_GOAL := help
.PHONY: help build test test-race test-tools test-boot test-clients lint bench fuzz generate

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the programs into bin/, static, without cgo
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -o bin/ ./cmd/...

test: test-tools test-race ## run all tests, those that share state under the race detector
	$(GO) test $$($(GO) list ./... | grep -Ev '$(RACY)')
	CGO_ENABLED=1 $(GO) test -tags pkcs11 ./internal/pkcs11

test-race: ## run only the tests that the race detector is for
	@racy=$$($(GO) list ./... | grep -E '$(RACY)'); [ -z "$$racy" ] || \
		{ echo "$(GO) test -race" $$racy; CGO_ENABLED=1 $(GO) test -race $$racy; }
	@also=$$($(CONCURRENT) | grep -Ev '$(RACY)'); [ -z "$$also" ] || \
		{ echo "$(GO) test -race -run Concurrent" $$also; CGO_ENABLED=1 $(GO) test -race -run Concurrent $$also; }

test-tools: ## install the TPMs, tokens, servers and files that tests drive (Debian, as root)
	@scripts/test-tools

test-boot: ## boot machines under an emulator and have them attest (Debian 12, the first time as root); BOOTFLAGS=-short the essential ones
	@scripts/test-boot-tools
	BOOT_TEST=required $(GO) test -tags boot -count=1 -parallel 3 -timeout 30m $(BOOTFLAGS) ./internal/boottest

test-clients: ## run the SPIFFE project's clients and ghostunnel, which are built first; the first time that takes minutes
	@GO='$(GO)' scripts/test-client-tools
	CLIENT_TEST=required $(GO) test -tags clients -count=1 ./internal/clienttest

lint: ## check formatting, vet and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w is due on:" $$unformatted; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags boot ./internal/boottest
	$(GO) vet -tags clients ./internal/clienttest
	CGO_ENABLED=1 $(GO) vet -tags pkcs11 ./internal/pkcs11
	$(STATICCHECK) ./...

bench: ## run the benchmarks; BENCH=regexp PKG=packages
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

fuzz: ## run every fuzz target for FUZZTIME (20s each); PKG=packages
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' scripts/fuzz $(PKG)

generate: ## renew generated files (docs/codes.md)
	$(GO) generate ./...
