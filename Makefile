# The targets for developers and CI. They require only Go and make, except e2e, which
# requires root and installs what it needs.

GO ?= go
# The race detector requires cgo and a C compiler. Without one, the tests run without it.
CC_FOUND := $(shell command -v $(firstword $(shell $(GO) env CC)) 2>/dev/null)
RACE := $(if $(CC_FOUND),-race,)
BIN ?= bin
# VERSION is the output of --version; without it, the programs print the commit.
LDFLAGS := -s -w $(if $(VERSION),-X example.org/token-helpers/shared/cli.Version=$(VERSION))

.PHONY: all build pages install uninstall packages image release test fuzz lint e2e soak bench demo demo-issuer clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="$(LDFLAGS)" -o $(BIN)/ ./cmd/...

# Man pages, completions and the licences of the linked modules, for make install.
pages: build
	CGO_ENABLED=0 $(GO) run ./packaging/pages $(BIN)/pages
	CGO_ENABLED=0 $(GO) run ./packaging/release notices $(BIN)

# packaging/install describes PREFIX, DESTDIR and the other variables. make install builds
# first. Without Go in the PATH, as under sudo, it installs what make pages has built.
export PREFIX DESTDIR SYSCONFDIR ZSHDIR
install: $(if $(shell command -v $(GO)),pages)
	BIN=$(BIN) packaging/install

uninstall:
	BIN=$(BIN) packaging/install -u

# .deb and .rpm packages, images and whole releases, in $(DIST). VERSION is without v; the
# default is the tag of the commit. RELEASE_URL is where the archives will be published.
# ARCH limits packages and images to one architecture. SIGNING_KEY is a file with an OpenPGP
# secret key, and NFPM_PASSPHRASE its passphrase.
DIST ?= dist
RELEASE = $(GO) run ./packaging/release -dir '$(DIST)' -version '$(VERSION)' -url '$(RELEASE_URL)' -key '$(SIGNING_KEY)' -arch '$(ARCH)'
packages:
	$(RELEASE) packages

image:
	$(RELEASE) image

release:
	@[ -n "$(VERSION)" ] || { echo "usage: make release VERSION=1.2.3 [RELEASE_URL=https://...] [SIGNING_KEY=FILE]"; exit 2; }
	$(RELEASE) all

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

# Long-running tests: 10,000 renewals in a row, watchers that share a login, and an issuer that
# is down. SOAK is how long the watchers run and the issuer is down.
SOAK ?= 5m
soak:
	TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 1h -v -run 'TestManyRenewals' ./shared/helper
	TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 1h -v -run 'TestWatchersShareALogin' ./testscripts
	TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 1h -v -run 'TestSoakOutage' ./shared/credd

# Compares the programs with similar ones, and writes docs/performance.md. It takes 3 minutes on
# an idle machine, and more the first time, when the other programs are built.
# BENCH=quick measures less and prints the report.
bench:
	BENCH=$(BENCH) bench/run

demo:
	@CGO_ENABLED=0 $(GO) run ./shared/issuertest/demo demo

demo-issuer:
	@CGO_ENABLED=0 $(GO) run ./shared/issuertest/demo issuer

clean:
	rm -rf $(BIN) $(DIST)
