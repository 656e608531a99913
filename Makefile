# The targets for developers and CI. They require only Go and make, except e2e, which
# requires root and installs what it needs.

GO ?= go
# The race detector requires cgo and a C compiler. Without one, the tests run without it.
CC_FOUND := $(shell command -v $(firstword $(shell $(GO) env CC)) 2>/dev/null)
RACE := $(if $(CC_FOUND),-race,)
BIN ?= bin

.PHONY: all build test fuzz lint e2e soak bench demo demo-issuer clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/...

test:
	$(GO) build ./...
	$(GO) vet ./...
	$(if $(RACE),CGO_ENABLED=1,CGO_ENABLED=0) $(GO) test $(RACE) ./...

# Random input for jwt-inspect, from bytes to report. make test runs only the seeds.
FUZZTIME ?= 60s
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzInspect -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./shared/inspect

lint:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff

e2e:
	testscripts/e2e/run

# Half an hour of tests of what must last: 10,000 renewals in a row, and watchers that share
# a login. SOAK is how long the watchers run.
SOAK ?= 5m
soak:
	TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 1h -v -run 'TestManyRenewals' ./shared/helper
	TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 1h -v -run 'TestWatchersShareALogin' ./testscripts

# Measures the programs beside their peers, and writes docs/performance.md; about 12 minutes.
# BENCH=quick measures less and prints the report.
bench:
	BENCH=$(BENCH) bench/run

demo:
	@CGO_ENABLED=0 $(GO) run ./shared/issuertest/demo demo

demo-issuer:
	@CGO_ENABLED=0 $(GO) run ./shared/issuertest/demo issuer

clean:
	rm -rf $(BIN)
