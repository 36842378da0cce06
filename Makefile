# ballast: non-recursive, every object with its header dependencies.  `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/ballast
# A prefix under /usr keeps its settings in /etc, another one in its own etc/.
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/lib/systemd/system,$(PREFIX)/lib/systemd/system)
VERSION := $(shell sed -n 's/.*BALLAST_VERSION "\(.*\)".*/\1/p' include/ballast/base/version.h)

PACKAGES = yaml-0.1 libbsd libconfig libseccomp
ifeq ($(origin CC),default)
CC = gcc
endif
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wformat=2 -Wvla
WERROR ?= 0
ifneq ($(WERROR),0)
WARNINGS += -Werror
endif
CFLAGS   ?= -O2 -g
LANGUAGE  = -std=gnu11 -D_GNU_SOURCE -Iinclude $(if $(SANITIZE),-DBALLAST_INSTRUMENTED) $(CPPFLAGS)
HARDENING ?= -fstack-protector-strong -fPIE
LINK_HARDENING ?= -pie -Wl,-z,relro,-z,now
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)

SOURCES := $(sort $(wildcard src/*/*.c)) src/main.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY := $(filter-out %/main.o,$(OBJECTS))
UNITS   := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZED  := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
REPLAYS := $(FUZZED:%=$(BUILD)/fuzz/replay-%)
BOUNDS  := $(sort $(wildcard tests/bounds/*.c))
HEADERS := $(wildcard include/ballast/*/*.h src/*/*.h)
ALL_C   := $(SOURCES) $(HEADERS) $(wildcard tests/unit/*.[ch] tests/fuzz/*.[ch] tests/bounds/*.[ch] tests/stress/*.[ch] tests/oracle/*.c tests/origin/*.c tests/docs/*.c tests/bench/*.c)

SANITIZE_asan  = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_tsan  = -fsanitize=thread
SANITIZE_ubsan = -fsanitize=undefined -fno-sanitize-recover=all

# V=1 shows the commands whole.
V ?= 0
ifeq ($(V),0)
QUIET = @$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,echo "  $(1)  $@";)
endif

.PHONY: all bench bench-growth bench-fairness bench-ledger pgo model stress tsan deps-bench units replays fuzzers fuzz check-fuzz storm check-storm valgrind deps need run check check-unit check-system check-conformance conformance-peers deps-peers check-oracle check-docs oracle check-slow check-reloads check-bounds lint format format-check asan ubsan \
	coverage docs install uninstall dist clean help
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

all: $(BUILD)/ballast    ## the program, build/ballast

# The program with faults on demand (src/proxy/fault.h), for tests.
$(BUILD)/obj/faulty/exchange.o: src/proxy/exchange.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(WARNINGS) $(CFLAGS) $(SANITIZE) $(HARDENING) $(PKG_CFLAGS) -DBALLAST_FAULTS -MMD -MP -c -o $@ $<
$(BUILD)/faulty: $(filter-out %/proxy/exchange.o,$(OBJECTS)) $(BUILD)/obj/faulty/exchange.o
	$(call QUIET,LINK)$(CC) $(CFLAGS) $(SANITIZE) $(LINK_HARDENING) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)
-include $(BUILD)/obj/faulty/exchange.d

# All unit-test programs, not run.
units: $(UNITS)

$(BUILD)/ballast: $(OBJECTS)
	$(call QUIET,LINK)$(CC) $(CFLAGS) $(SANITIZE) $(LINK_HARDENING) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The pure and the shared-memory folders are held to the strictest conversions.
$(BUILD)/obj/src/http/%.o $(BUILD)/obj/src/shm/%.o: WARNINGS += -Wconversion

# A pick that looks at all backends is a few loops over words, which a compiler turns into vectors when it is asked to.
$(BUILD)/obj/src/balance/least_connection.o: OPTIMIZE = -O3

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(OPTIMIZE) $(HARDENING) $(SANITIZE) $(WARNINGS) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) -MMD -MP -MF $@.d -MT $@ $(LINK_HARDENING) \
		-o $@ $< $(LIBRARY) $(PKG_LIBS) $(CHECK_LIBS)

# The same program with another version of the shared memory's layout: for it a running one's segment is a stranger's.
OTHER_SEGMENT = $(BUILD)/obj/other/segment.o
$(OTHER_SEGMENT): src/shm/segment.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) -DBALLAST_LAYOUT_VERSION=9999 $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) -MMD -MP -c -o $@ $<

$(BUILD)/ballast-other: $(OTHER_SEGMENT) $(filter-out %/shm/segment.o,$(OBJECTS))
	$(call QUIET,LINK)$(CC) $(CFLAGS) $(SANITIZE) $(LINK_HARDENING) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# A small backend for demonstrations, system tests and benchmarks; needs nothing of src/.
$(BUILD)/origin: tests/origin/origin.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(CFLAGS) $(SANITIZE) $(WARNINGS) -o $@ $<

# The yardsticks of the benchmarks: floor needs nothing of src/, micro measures it.
$(BUILD)/floor $(BUILD)/sources: $(BUILD)/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(CFLAGS) $(SANITIZE) $(WARNINGS) -o $@ $<

$(BUILD)/micro: tests/bench/micro.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) $(LINK_HARDENING) -o $@ $< $(LIBRARY) $(PKG_LIBS)

$(BUILD)/print-docs: tests/docs/print_docs.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) $(LINK_HARDENING) -o $@ $< $(LIBRARY) $(PKG_LIBS)

# What the parsers say to the corpus of the differential oracle.
$(BUILD)/verdicts: tests/oracle/verdicts.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) -Wconversion $(LINK_HARDENING) -o $@ $< $(LIBRARY) $(PKG_LIBS)

# Counts of instructions, for tests/bounds/run.py; needs the headers of valgrind, which cannot read clang's debug info.
$(BUILD)/complexity: $(BOUNDS) tests/bounds/bounds.h $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) $(LINK_HARDENING) -Wl,--strip-debug -o $@ $(BOUNDS) $(LIBRARY) $(PKG_LIBS)

# Shared memory under threads, and under processes that are killed.
STRESSES = $(BUILD)/threads $(BUILD)/processes
$(STRESSES): $(BUILD)/%: tests/stress/%.c tests/stress/stress.c tests/stress/stress.h $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) $(LINK_HARDENING) -pthread \
		-o $@ $< tests/stress/stress.c $(LIBRARY) $(PKG_LIBS)

# A fuzz target twice: replay-* goes over files and is built by any compiler, run-* is libFuzzer's.
FUZZ_CC = $(CC) $(LANGUAGE) $(PKG_CFLAGS) $(CFLAGS) $(HARDENING) $(SANITIZE) $(WARNINGS) -MMD -MP -MF $@.d -MT $@ $(LINK_HARDENING)

$(BUILD)/fuzz/replay-%: tests/fuzz/fuzz_%.c $(BUILD)/obj/tests/fuzz/replay.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(FUZZ_CC) -o $@ $< $(BUILD)/obj/tests/fuzz/replay.o $(LIBRARY) $(PKG_LIBS)

$(BUILD)/fuzz/run-%: tests/fuzz/fuzz_%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call QUIET,CC)$(FUZZ_CC) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(PKG_LIBS)

.SECONDARY: $(BUILD)/obj/tests/fuzz/replay.o

# All replay programs; all libFuzzer programs (see the target fuzz for what they need).
replays: $(REPLAYS)
fuzzers: $(FUZZED:%=$(BUILD)/fuzz/run-%)

-include $(OBJECTS:.o=.d) $(OTHER_SEGMENT:.o=.d) $(UNITS:=.d) $(BUILD)/obj/tests/fuzz/replay.d $(wildcard $(BUILD)/fuzz/*.d)

deps:             ## install what is missing (apt, as root or by sudo), or print the command
	@sh tests/lint/deps.sh install

need:             # called by run and check: installs only when something is missing
	@sh tests/lint/deps.sh need

run: need         ## ballast on :3332 with two demo backends on :9001 and :9002, until Ctrl-C
	@$(MAKE) --no-print-directory $(BUILD)/ballast $(BUILD)/origin
	@BUILD=$(BUILD) sh tests/system/run-demo.sh

check: need       ## all tests; the last line is `N passed, N failed`
	@$(MAKE) --no-print-directory $(BUILD)/ballast $(BUILD)/faulty $(BUILD)/ballast-other $(BUILD)/origin $(BUILD)/print-docs $(BUILD)/complexity $(BUILD)/verdicts $(BUILD)/processes $(UNITS) $(REPLAYS)
	@BUILD=$(BUILD) sh tests/check.sh

check-unit: $(UNITS)                                   ## the unit tests alone
	@BUILD=$(BUILD) sh tests/check.sh unit
check-system: $(BUILD)/ballast $(BUILD)/faulty $(BUILD)/ballast-other $(BUILD)/origin         ## the system tests alone
	@BUILD=$(BUILD) sh tests/check.sh system
check-conformance: $(BUILD)/ballast                     ## the conformance suite alone
	@BUILD=$(BUILD) sh tests/check.sh conformance
conformance-peers:                                     ## nginx, HAProxy and Apache on the cases of the conformance suite
	@sh tests/conformance/peers.sh
deps-peers:                                            ## install nginx, HAProxy and Apache for it
	@sh tests/lint/deps.sh peers
check-fuzz: $(REPLAYS)                                 ## the fuzz targets over their corpora
	@BUILD=$(BUILD) sh tests/check.sh fuzz
check-oracle: $(BUILD)/verdicts                        ## ballast's parsers and llhttp over the same octets
	@BUILD=$(BUILD) sh tests/check.sh oracle
check-bounds: $(BUILD)/complexity                      ## growth of instruction counts with the input
	@BUILD=$(BUILD) sh tests/check.sh bounds
model:            ## what is done without a lock, as Promela models under every schedule
	@python3 tests/model/run.py
stress: $(BUILD)/processes                              ## shared memory while workers are killed: STRESS_KILLS=500 STRESS_SEED=n
	@$(BUILD)/processes
tsan:             ## shared memory under threads, watched by ThreadSanitizer, in build/tsan
	@$(MAKE) --no-print-directory $(BUILD)/tsan/threads BUILD=$(BUILD)/tsan SANITIZE="$(SANITIZE_tsan)" CFLAGS="-O1 -g"
	@$(BUILD)/tsan/threads
check-storm: $(BUILD)/ballast                          ## hostile clients and origins around a running ballast
	@BUILD=$(BUILD) sh tests/check.sh storm
check-slow: $(BUILD)/ballast $(BUILD)/origin           ## is p99 beside 4,000 held connections within 3 times? (a quiet machine); 1,000 kills under load
	@cd tests/system && BUILD=$(abspath $(BUILD)) BALLAST_SLOW=1 BALLAST_ENGINE=auto python3 run.py --here test_crowd
	@cd tests/system && BUILD=$(abspath $(BUILD)) BALLAST_SLOW=1 BALLAST_ENGINE=auto BALLAST_TEST_SECONDS=1800 python3 run.py --here test_storm_kills
check-reloads: $(BUILD)/ballast $(BUILD)/origin        ## 200 reloads under load with 1,000 idle connections and 50 tunnels
	@cd tests/system && BUILD=$(abspath $(BUILD)) BALLAST_RELOADS=200 BALLAST_ENGINE=auto python3 run.py --here test_handover
check-docs: $(BUILD)/print-docs                        ## do the printed docs agree with the tables?
	@BUILD=$(BUILD) sh tests/check.sh docs

asan:             ## unit and system tests under AddressSanitizer and UBSan, in build/asan
	@$(MAKE) --no-print-directory check BUILD=build/asan SANITIZE="$(SANITIZE_asan)" CFLAGS="-O1 -g"
ubsan:            ## the same under UBSan alone, in build/ubsan
	@$(MAKE) --no-print-directory check BUILD=build/ubsan SANITIZE="$(SANITIZE_ubsan)" CFLAGS="-O1 -g"
valgrind: $(BUILD)/ballast $(BUILD)/faulty $(BUILD)/ballast-other $(BUILD)/origin $(UNITS)  ## unit and system tests and a storm under memcheck; takes its time
	@BUILD=$(BUILD) sh tests/check.sh memcheck
storm:            ## a storm of STORM_S=60 seconds under ASan and UBSan, in build/asan; STORM_SEED=n for the same again
	@$(MAKE) --no-print-directory $(BUILD)/asan/ballast BUILD=$(BUILD)/asan SANITIZE="$(SANITIZE_asan)" CFLAGS="-O1 -g"
	@BUILD=$(BUILD)/asan STORM_S=$(or $(STORM_S),60) STORM_SEED=$(or $(STORM_SEED),$$(date +%s)) sh tests/check.sh storm
ORACLE_N    ?= 100000
ORACLE_SEED ?= 1
oracle: $(BUILD)/verdicts  ## the same over ORACLE_N=100000 generated requests, from ORACLE_SEED=1
	@python3 tests/oracle/oracle.py $(BUILD)/verdicts -v -n $(ORACLE_N) -s $(ORACLE_SEED)
FUZZ_S ?= 60
FUZZ   ?=
SANITIZE_fuzz = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
fuzz:             ## each fuzz target for FUZZ_S=60 seconds (FUZZ="chunk yaml": these), in build/fuzzing
	@$(MAKE) --no-print-directory fuzzers BUILD=$(BUILD)/fuzzing CC=clang SANITIZE="$(SANITIZE_fuzz)" CFLAGS="-O1 -g"
	@BUILD=$(BUILD)/fuzzing FUZZ_S=$(FUZZ_S) sh tests/fuzz/run.sh $(or $(FUZZ),$(FUZZED))
coverage:         ## line coverage of all tests, in build/coverage (gcov)
	-@$(MAKE) --no-print-directory check BUILD=build/coverage SANITIZE="--coverage" CFLAGS="-Og -g"
	@cd build/coverage && gcov -r -s "$(CURDIR)" $$(find obj -name '*.gcda') 2>/dev/null | \
		awk '/^File/ { f = $$2 } /^Lines executed/ { sub(/.*:/, ""); print f, $$0 }' | sort | uniq

BENCHED = $(BUILD)/ballast $(BUILD)/origin $(BUILD)/floor $(BUILD)/sources $(BUILD)/micro
deps-bench:       ## install the peers and tools of the benchmarks (apt), or print the command
	@sh tests/lint/deps.sh bench
bench: $(BENCHED)        ## beside nginx, HAProxy and two floors: BENCH=small,64k SUBJECTS=floor,nginx,ballast ROUNDS=5 BENCH_SECONDS=3
	@BUILD=$(BUILD) python3 tests/bench/bench.py
bench-growth: $(BENCHED) ## does the cost grow with backends, clients, workers?  GROWTH=backends,limiter: these
	@BUILD=$(BUILD) python3 tests/bench/growth.py
bench-fairness: $(BENCHED) ## how connections spread over four workers
	@BUILD=$(BUILD) python3 tests/bench/fairness.py
bench-ledger: $(BENCHED) ## where it goes: system calls and instructions of a request.  BENCH=small SUBJECTS=ballast,floor
	@BUILD=$(BUILD) python3 tests/bench/ledger.py

# Built twice: the first build writes down what a training makes it do, the second is compiled by that.  A few
# functions that the first one must do without (see BALLAST_INSTRUMENTED) have another shape in it: no mistake.
PGO_CFLAGS = -O2 -g -flto=auto
PGO_BUILD = --no-print-directory BUILD=$(BUILD)/pgo $(BUILD)/pgo/ballast
pgo: $(BUILD)/origin  ## build/pgo/ballast, optimised by a profile of common requests (gcc)
	@$(CC) --version | grep -q -i 'free software' || { echo "make pgo: needs gcc, this is $(CC)" >&2; exit 2; }
	@rm -rf $(BUILD)/pgo
	@$(MAKE) $(PGO_BUILD) CPPFLAGS=-DBALLAST_INSTRUMENTED \
		CFLAGS="$(PGO_CFLAGS) -fprofile-generate -fprofile-update=atomic"
	@BUILD=$(BUILD) BALLAST=$(BUILD)/pgo/ballast python3 tests/bench/train.py
	@find $(BUILD)/pgo -name '*.o' -delete && rm $(BUILD)/pgo/ballast
	@$(MAKE) $(PGO_BUILD) CFLAGS="$(PGO_CFLAGS) -fprofile-use -fprofile-partial-training -Wno-missing-profile \
		-Wno-coverage-mismatch"

lint:             ## layers, warnings of gcc and clang, cppcheck, clang-tidy, shellcheck, format
	@BUILD=$(BUILD) sh tests/lint/lint.sh

format:           ## clang-format over all C files
	clang-format -i $(ALL_C)
format-check:     ## does clang-format agree?
	clang-format --dry-run -Werror $(ALL_C)

docs: $(BUILD)/print-docs  ## print docs/config.md, docs/metrics.md and ballast.yaml(5) from the tables
	@sh tests/docs/print.sh $(BUILD)/print-docs docs
	@python3 tests/oracle/oracle.py --docs docs/conformance.md

# Under a prefix of one's own everything stays below it, so that it can be tried beside another.
IN_USR  = $(filter /usr /usr/local,$(PREFIX))
RUNDIR ?= $(if $(IN_USR),/run/ballast,$(PREFIX)/run/ballast)
LOGDIR ?= $(if $(IN_USR),/var/log,$(PREFIX)/var/log)
SUBSTITUTE = sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' \
	-e 's|@RUNDIR@|$(RUNDIR)|g' -e 's|@LOGDIR@|$(LOGDIR)|g'
ETC = $(DESTDIR)$(SYSCONFDIR)

install: all      ## honours PREFIX, DESTDIR, SYSCONFDIR, UNITDIR; never overwrites a configuration
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(DOCDIR) \
		$(ETC)/ballast $(ETC)/init.d $(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/ballast $(DESTDIR)$(SBINDIR)/ballast
	install -m 644 docs/ballast.8 $(DESTDIR)$(MANDIR)/man8/ballast.8
	install -m 644 docs/ballast.yaml.5 $(DESTDIR)$(MANDIR)/man5/ballast.yaml.5
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(DOCDIR)
	install -m 644 conf/config.yaml conf/ballast.cfg $(DESTDIR)$(DOCDIR)
	[ -e $(ETC)/ballast/config.yaml ] || install -m 644 conf/config.yaml $(ETC)/ballast/config.yaml
	[ -e $(ETC)/ballast/ballast.cfg ] || install -m 644 conf/ballast.cfg $(ETC)/ballast/ballast.cfg
	$(SUBSTITUTE) init/ballast.init > $(ETC)/init.d/ballast
	chmod 755 $(ETC)/init.d/ballast
	$(SUBSTITUTE) init/ballast.service > $(DESTDIR)$(UNITDIR)/ballast.service
	chmod 644 $(DESTDIR)$(UNITDIR)/ballast.service

uninstall:        ## removes what install put there, but no configuration
	rm -f $(DESTDIR)$(SBINDIR)/ballast $(DESTDIR)$(MANDIR)/man8/ballast.8 $(DESTDIR)$(MANDIR)/man5/ballast.yaml.5 \
		$(ETC)/init.d/ballast $(DESTDIR)$(UNITDIR)/ballast.service
	rm -rf $(DESTDIR)$(DOCDIR)

dist:             ## build/ballast-VERSION.tar.gz of what git tracks
	@mkdir -p build
	git archive --prefix=ballast-$(VERSION)/ -o build/ballast-$(VERSION).tar.gz HEAD

clean:            ## removes build/
	rm -rf build

help:             ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16
