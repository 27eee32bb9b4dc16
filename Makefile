# SPDX-License-Identifier: Apache-2.0
# Crashcart.  `make help` says what can be built.
#
# Variables for users, on the command line or in config.mk:
#   FLAVOUR   release: musl, static-pie (the default)
#             asan:    glibc, AddressSanitizer and UBSan
#             fuzz:    as asan, by clang, for libFuzzer
#             torture: as asan, with calls that fail (tests/torture/shim.c)
#             system:  glibc and the libraries of this machine, for a quick look
#   DEV       DEV=system is FLAVOUR=system
#   ARCH      x86_64 or aarch64; another than this machine's is a cross build
#   CC        compiler, in the glibc flavours (gcc; fuzz: clang-19)
#   WERROR    1: warnings are errors
#   BUILD     folder of everything made (build)
#   V         1: print commands
#   T, R      unit tests to run, e.g. T=base_json or T='base_*'; R=base: a room
#   TEST_WRAPPER   a program to run unit tests under
-include config.mk

VERSION := 0.1.0
BUILD   ?= build
FLAVOUR ?= $(if $(filter system,$(DEV)),system,release)
MACHINE := $(shell uname -m)
ARCH    ?= $(MACHINE)

# Rooms, upper ones first: each may use those behind it (scripts/check-includes).
ROOMS := cmd engine step aws bundle attest host net crypt base

ifeq ($(filter release asan fuzz torture system,$(FLAVOUR)),)
$(error FLAVOUR is release, asan, fuzz, torture or system, not $(FLAVOUR))
endif

B := $(BUILD)/$(FLAVOUR)$(if $(filter-out $(MACHINE),$(ARCH)),-$(ARCH))
PROGRAM := $(if $(filter $(BUILD)/release,$(B)),$(BUILD)/crashcart,$(B)/crashcart)
VERIFIER := $(dir $(PROGRAM))crashcart-verify
G := $(BUILD)/gen

# ---- dependencies -----------------------------------------------------------
DEPS_release := musl-$(ARCH)
DEPS_asan    := glibc-$(ARCH)
DEPS_fuzz    := glibc-$(ARCH)
DEPS_torture := glibc-$(ARCH)
ifeq ($(FLAVOUR),system)
DEPS :=
DEPS_READY :=
DEP_CPPFLAGS :=
DEP_LDFLAGS := -Wl,--as-needed
DEP_PREFIX := system
else
DEPS := $(shell scripts/build-deps --path $(DEPS_$(FLAVOUR)) 2>/dev/null)
# no folder: there is no compiler yet, but `make test` brings it
DEPS_READY := $(if $(DEPS),$(DEPS)/versions,no-compiler)
DEP_CPPFLAGS := -isystem $(DEPS)/include
DEP_LDFLAGS := -L$(DEPS)/lib
DEP_PREFIX := $(DEPS)
endif
LDLIBS := -lcurl -lssl -lcrypto -larchive -lsodium -lcjson -lzstd -lz -lexpat \
	  -lm -lpthread

# ---- compiler and flags -----------------------------------------------------
ifeq ($(FLAVOUR),release)
CC := $(DEPS)/bin/$(ARCH)-linux-musl-gcc
STRIP := $(DEPS)/bin/$(ARCH)-linux-musl-strip
else ifeq ($(FLAVOUR),fuzz)
CC := $(if $(filter default,$(origin CC)),clang-19,$(CC))
else
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
endif
AR := ar

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wformat=2 -Wpointer-arith -Wwrite-strings \
	-Wvla -Wundef -Wnested-externs -Wredundant-decls -Wnull-dereference \
	-Wimplicit-fallthrough -Wno-unused-parameter \
	-Wno-format-truncation -Wno-type-limits \
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

# _GNU_SOURCE is empty, so that a file may define it again without a warning.
OUR_CPPFLAGS := -Iinclude -I$(B)/gen -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 \
	-include include/crashcart/banned.h $(DEP_CPPFLAGS)
OUR_CFLAGS := -std=gnu11 -ffunction-sections -fdata-sections -fno-strict-aliasing
OUR_LDFLAGS := $(DEP_LDFLAGS) -Wl,--gc-sections

comma := ,
HARDENING := -fstack-protector-strong -fstack-clash-protection \
	-ftrivial-auto-var-init=zero
ifeq ($(FLAVOUR),release)
OUR_CFLAGS += -O2 -g0 -fPIE -fno-plt -fno-asynchronous-unwind-tables \
	$(HARDENING) \
	-ffile-prefix-map=$(DEPS)=/dep
OUR_LDFLAGS += -static-pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,text \
	-Wl,-z,separate-code -Wl,--build-id=none -Wl,-T,scripts/no-unwind.ld \
	$(if $(filter x86_64,$(ARCH)),-Wl$(comma)-z$(comma)pack-relative-relocs)
# everybody's malloc() is base/alloc.c's
OUR_CPPFLAGS += -DCART_ALLOC_CACHE
OUR_LDFLAGS += -Wl,-u,cart_alloc_malloc \
	$(foreach f,malloc calloc realloc free,-Wl$(comma)--wrap=$f \
	-Wl$(comma)--defsym=__wrap_$f=cart_alloc_$f)
else ifeq ($(FLAVOUR),system)
OUR_CFLAGS += -O1 -g -fPIE $(HARDENING)
else
# no _FORTIFY_SOURCE: it hides overflows from ASan
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
OUR_CFLAGS += -O1 -g -fPIE -fno-omit-frame-pointer $(SANITIZE) \
	$(if $(filter fuzz,$(FLAVOUR)),-fsanitize=fuzzer-no-link)
OUR_LDFLAGS += $(SANITIZE)
endif
ifeq ($(FLAVOUR),torture)
WRAPPED := malloc calloc realloc strdup strndup read pread readv write pwrite \
	writev fsync fdatasync open openat renameat unlinkat mkdir ftruncate \
	connect send sendto sendmsg pthread_create
# with it, glibc's headers call open64 and the like
OUR_CPPFLAGS := $(filter-out -D_FILE_OFFSET_BITS=64,$(OUR_CPPFLAGS))
SHIM := $(B)/tests/torture/shim.o
OUR_LDFLAGS += $(WRAPPED:%=-Wl,--wrap=%)
endif

ALL_CFLAGS = $(OUR_CPPFLAGS) $(CPPFLAGS) $(OUR_CFLAGS) $(WARNINGS) $(CFLAGS)
ALL_LDFLAGS = $(OUR_LDFLAGS) $(LDFLAGS)

ifneq ($(V),1)
MAKEFLAGS += --no-print-directory
Q := @
say = @printf '  %-7s %s\n' $(1) '$(2)'
else
say = @:
endif

# ---- what there is ----------------------------------------------------------
EMBED_net := roots
EMBED_attest := identity
EMBED_aws := aws-model
EMBED_engine := manifests
EMBED_cmd := man source

SRCS = $(sort $(wildcard collector/$1/*.c))
OBJS = $(patsubst %.c,$(B)/%.o,$(call SRCS,$1)) \
       $(if $(call SRCS,$1),$(EMBED_$1:%=$(B)/embed/%.o))
PRESENT := $(foreach room,$(ROOMS),$(if $(call SRCS,$(room)),$(room)))

# rooms from $1 downwards; `all` and unknown names mean every room
below_in = $(if $(filter $1,$(firstword $2)),$2,$(if $2,$(call \
	below_in,$1,$(wordlist 2,$(words $2),$2))))
below = $(filter $(PRESENT),$(if $(filter $1,$(ROOMS)),$(call \
	below_in,$1,$(ROOMS)),$(ROOMS)))
archives = $(patsubst %,$(B)/%.a,$(call below,$1))
# the room in a name such as tests/unit/base_json.c
room_of = $(firstword $(subst _, ,$(patsubst fuzz_%,%,$(basename $(notdir $1)))))

T ?= *
UNIT_SRCS := $(sort $(wildcard tests/unit/$(if $(R),$(R)_$(T),$(T)).c))
UNIT_NAMES := $(patsubst tests/unit/%.c,%,$(UNIT_SRCS))
SUPPORT_OBJS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/unit/support/*.c)))
UNIT_SUPPORT := $(if $(SUPPORT_OBJS),$(B)/tests/support.a)
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_$(T).c))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRCS))

.PHONY: all help page drivers unit unit-build fuzz fuzz-build fuzz-replay fuzz-replay-build \
	deps test soak mutants run bench lint clean dist install schema FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

all: $(PROGRAM) $(VERIFIER)

help:
	@echo 'make                 build/crashcart (builds the dependencies once)'
	@echo 'make page            build/verify.html: checks a bundle in a browser'
	@echo 'make run             collect from a simulated incident, and verify'
	@echo 'make test            everything: install, build, all test suites'
	@echo 'make soak            the long forms: hundreds of kills, every permission (hours)'
	@echo 'make unit            unit tests; T=base_json one, R=base one room'
	@echo 'make fuzz-replay     replay the fuzz corpora'
	@echo 'make fuzz T=base_json SECONDS=60   fuzz with libFuzzer (clang-19), CPU seconds'
	@echo 'make lint            static checks'
	@echo 'make mutants         is each check of the verifier needed? (half an hour)'
	@echo 'make bench           speed beside that of other tools'
	@echo 'make deps            only the dependencies'
	@echo 'make schema          manifests/schema.json and man/crashcart.1, from the tables'
	@echo 'make dist            the release, for both architectures, in dist/ (KEY=minisign.key)'
	@echo 'make install         PREFIX=/usr/local, DESTDIR='
	@echo 'make clean           remove build/'
	@echo 'FLAVOUR=release|asan|fuzz|torture|system  ARCH=x86_64|aarch64  V=1  WERROR=1'
	@echo 'scripts/run-tests [SUITE]...       suites of tests, by name'

deps: $(DEPS_READY)
ifneq ($(FLAVOUR),system)
$(DEPS_READY):
	scripts/build-deps $(DEPS_$(FLAVOUR))
endif

# ---- objects ----------------------------------------------------------------
# Rebuild everything when a flag or the compiler changes.
CC_ID := $(shell $(CC) --version 2>/dev/null | head -n 1)
$(B)/flags: FORCE | $(DEPS_READY)
	@mkdir -p $(@D)
	@echo '$(CC) $(CC_ID) $(ALL_CFLAGS) / $(ALL_LDFLAGS) / $(LDLIBS)' | \
		cmp -s - $@ || \
	echo '$(CC) $(CC_ID) $(ALL_CFLAGS) / $(ALL_LDFLAGS) / $(LDLIBS)' > $@

$(B)/gen/version-gen.h: FORCE | $(DEPS_READY)
	@mkdir -p $(@D)
	@new=$@.$$$$; scripts/gen-version '$(VERSION)' '$(CC)' '$(DEP_PREFIX)' \
		> $$new && if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
$(B)/collector/base/version.o: $(B)/gen/version-gen.h

$(B)/%.o: %.c $(B)/flags | $(DEPS_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter tests/%,$<),-Icollector -Itests) \
		-MMD -MP -c -o $@ $<

# A room's archive is made anew when its list of objects changes.
$(B)/%.objs: FORCE
	@mkdir -p $(@D)
	@echo '$(call OBJS,$*)' | cmp -s - $@ || echo '$(call OBJS,$*)' > $@

define archive_rule
$(B)/$1.a: $(call OBJS,$1) $(B)/$1.objs
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) rcD $$@ $(call OBJS,$1)
endef
$(foreach room,$(PRESENT),$(eval $(call archive_rule,$(room))))

# ---- embedded files ---------------------------------------------------------
MANIFESTS := $(filter-out manifests/schema.json,$(sort $(wildcard manifests/*.json)))
MAN := $(sort $(wildcard collector/man/*.[1-9]))
IDENTITY := $(sort $(wildcard collector/attest/aws-identity/*.pem))

$(B)/embed/%.o: $(G)/%.S $(B)/flags | $(DEPS_READY)
	$(call say,EMBED,$*)
	@mkdir -p $(@D)
	$(Q)$(CC) -c -o $@ $<

$(G)/files: FORCE
	@mkdir -p $(@D)
	@echo '$(MANIFESTS) $(MAN)' | cmp -s - $@ || \
		echo '$(MANIFESTS) $(MAN)' > $@
$(G)/manifests.S: $(MANIFESTS) $(G)/files scripts/embed
	@scripts/embed table manifests $(MANIFESTS) > $@
$(G)/man.S: $(MAN) $(G)/files scripts/embed
	@scripts/embed table man $(MAN) > $@
IDENTITY_ZST := $(patsubst collector/attest/aws-identity/%,$(G)/%.zst,$(IDENTITY))
$(G)/identity.S: $(IDENTITY_ZST) scripts/embed Makefile
	@scripts/embed table identity $(IDENTITY_ZST) > $@
$(G)/roots.S: $(G)/roots.pem.zst scripts/embed Makefile
	@scripts/embed blob roots $< > $@
ZSTD19 = mkdir -p $(@D) && "$${ZSTD:-zstd}" -q -19 --single-thread -f -o $@ $<
$(G)/roots.pem.zst: $(G)/roots.pem
	@$(ZSTD19)
$(IDENTITY_ZST): $(G)/%.zst: collector/attest/aws-identity/%
	@$(ZSTD19)
$(G)/source.S: $(G)/source.tar.zst scripts/embed
	@scripts/embed blob source $< > $@
$(G)/aws-model.S: $(G)/aws-model.bin scripts/embed
	@scripts/embed blob aws_model $< > $@

# What the program was built from: it carries its own source.
$(G)/source.tar.zst: $(shell find collector include manifests scripts -type f \
		! -path '*/__pycache__/*') $(wildcard Makefile *.md LICENSE) \
		$(B)/gen/version-gen.h
	$(call say,SOURCE,$@)
	@mkdir -p $(@D)
	$(Q)scripts/source-archive '$(VERSION)' $@

# An optional source only: what is not there yet is embedded as an empty file.
REVIEW := $(wildcard collector/aws/readonly.txt)
GEN_MODEL := $(if $(REVIEW),$(wildcard scripts/gen-aws-model))
GEN_ROOTS := $(wildcard scripts/gen-roots)
LOCK := $(wildcard scripts/deps.lock)
$(G)/aws-model.bin: $(GEN_MODEL) $(REVIEW) $(LOCK)
	@mkdir -p $(@D)
ifneq ($(GEN_MODEL),)
	$(call say,MODEL,$@)
	$(Q)scripts/gen-aws-model "$$(scripts/build-deps --fetch botocore)" $@
else
	@: > $@
endif
$(G)/roots.pem: $(GEN_ROOTS) $(LOCK)
	@mkdir -p $(@D)
ifneq ($(GEN_ROOTS),)
	$(call say,ROOTS,$@)
	$(Q)scripts/gen-roots "$$(scripts/build-deps --fetch certdata)" > $@
else
	@: > $@
endif

# ---- the program ------------------------------------------------------------
ALL_ARCHIVES := $(call archives,all)
$(B)/crashcart.full: $(B)/collector/main.o $(SHIM) $(ALL_ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)
$(PROGRAM): $(B)/crashcart.full
ifeq ($(FLAVOUR),release)
	$(call say,STRIP,$@)
	$(Q)$(STRIP) -s -o $@ $<
else
	$(Q)ln -f $< $@
endif

# A second, smaller program for those who only check: no net, no AWS.
VERIFY_OBJS := $(B)/collector/verify_main.o $(patsubst %,$(B)/collector/cmd/%.o,\
	command verify list extract key_load verdict_print version_print)
$(B)/crashcart-verify.full: $(VERIFY_OBJS) $(SHIM) \
		$(filter-out $(B)/host.a $(B)/net.a,$(call archives,bundle))
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(filter-out -lcurl -lexpat,$(LDLIBS))
$(VERIFIER): $(B)/crashcart-verify.full
ifeq ($(FLAVOUR),release)
	$(call say,STRIP,$@)
	$(Q)$(STRIP) -s -o $@ $<
else
	$(Q)ln -f $< $@
endif

# A third verifier, for those who may install nothing.
PAGE := $(sort $(wildcard collector/page/*))
page: $(BUILD)/verify.html
$(BUILD)/verify.html: $(PAGE) scripts/make-page $(LOCK) Makefile
	$(call say,PAGE,$@)
	@mkdir -p $(@D)
	$(Q)scripts/make-page $@

# What validators know of manifests, from the step table.
schema: $(PROGRAM)
	$(PROGRAM) show schema > manifests/schema.json
	$(PROGRAM) show man > collector/man/crashcart.1
	scripts/deploy/make-template $(PROGRAM) > scripts/deploy/crashcart.json

PREFIX ?= /usr/local
install: $(PROGRAM) $(VERIFIER)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/crashcart
	install -D -m 755 $(VERIFIER) $(DESTDIR)$(PREFIX)/bin/crashcart-verify
	for page in $(MAN); do \
		install -D -m 644 $$page \
		$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; \
	done

# ---- tests ------------------------------------------------------------------
# An archive, so that a test takes only the helpers that it uses.
$(B)/tests/support.a: $(SUPPORT_OBJS)
	$(Q)rm -f $@ && $(AR) rcD $@ $^

define unit_rule
$(B)/unit/$1: $(B)/tests/unit/$1.o $(SHIM) $(UNIT_SUPPORT) \
		$(call archives,$(call room_of,$1))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ -lcmocka $$(LDLIBS)
.PHONY: run-unit-$1
run-unit-$1: $(B)/unit/$1
	@scripts/run-one 'unit $1 ($(FLAVOUR))' $(TEST_WRAPPER) $(B)/unit/$1
endef
$(foreach name,$(UNIT_NAMES),$(eval $(call unit_rule,$(name))))
unit-build: $(UNIT_NAMES:%=$(B)/unit/%)
unit: $(UNIT_NAMES:%=run-unit-%)

# Programs that give tests in other languages a function of ours to call:
# tests/interop/ROOM_driver.c links ROOM and those below it.
DRIVER_NAMES := $(patsubst tests/interop/%.c,%,$(sort $(wildcard \
	tests/interop/*_driver.c)))
define driver_rule
$(B)/driver/$1: $(B)/tests/interop/$1.o $(SHIM) \
		$(call archives,$(call room_of,$1))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach name,$(DRIVER_NAMES),$(eval $(call driver_rule,$(name))))
drivers: $(DRIVER_NAMES:%=$(B)/driver/%)

# tests/fuzz/fuzz_ROOM_NAME.c links ROOM and those below it, other names all.
# SECONDS are of processors' time, for each.
SECONDS ?= 600
REPLAY := $(B)/tests/fuzz/replay.o
define fuzz_rule
$(B)/replay/$1: $(B)/tests/fuzz/fuzz_$1.o $(REPLAY) $(SHIM) \
		$(call archives,$(call room_of,$1))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LDLIBS)
$(B)/fuzz/$1: $(B)/tests/fuzz/fuzz_$1.o $(call archives,$(call room_of,$1))
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -fsanitize=fuzzer -o $$@ $$^ $$(LDLIBS)
.PHONY: run-replay-$1 run-fuzz-$1
run-replay-$1: $(B)/replay/$1
	@scripts/run-one 'replay $1 ($(FLAVOUR))' $(B)/replay/$1 \
		$(wildcard tests/fuzz/corpus/$1)
run-fuzz-$1: $(B)/fuzz/$1
	@mkdir -p $(BUILD)/corpus/$1 $(BUILD)/crashes
	@scripts/run-fuzz $(SECONDS) $(B)/fuzz/$1 -timeout=10 -malloc_limit_mb=64 \
		-artifact_prefix=$(BUILD)/crashes/ \
		$(if $(wildcard tests/fuzz/$1.dict),-dict=tests/fuzz/$1.dict) \
		$(BUILD)/corpus/$1 $(wildcard tests/fuzz/corpus/$1)
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(name))))
fuzz-replay-build: $(FUZZ_NAMES:%=$(B)/replay/%)
fuzz-replay: $(FUZZ_NAMES:%=run-replay-%)

ifeq ($(FLAVOUR),fuzz)
fuzz-build: $(FUZZ_NAMES:%=$(B)/fuzz/%)
fuzz: $(FUZZ_NAMES:%=run-fuzz-%)
else
fuzz fuzz-build:
	$(MAKE) FLAVOUR=fuzz $@
endif

lint:
	scripts/check-lint
# Each calls make anew: what bootstrap installs is not known to this one.
test:
	scripts/bootstrap --test
	$(MAKE) deps
	$(MAKE) FLAVOUR=asan deps
	scripts/run-tests
# A variable says how long each is; what has none is as long as always.
SOAK := interop/test_aws_protocol sim/preserve sim/policy sim/contain sim/key_incident kill torture interop/bundle_mutate interop/test_page interop/timestamp interop/test_upload_faults cli/memory sim/ami cli/kernels
soak:
	scripts/bootstrap --test --soak --cross
	$(MAKE) deps
	$(MAKE) FLAVOUR=asan deps
	$(MAKE) ARCH=aarch64 deps
	$(MAKE) ARCH=aarch64 all build/release-aarch64/driver/base_sandbox_driver
	RUN_TESTS_LIMIT=28800 PROTOCOL='--all --inputs 20' \
		POLICY_ACTIONS=0 KILLS=1000 KILLS_S3=1000 ROUNDS=600 EVERY=1 STEPS=40 \
		CONTAIN_FULL=1 PRESERVE_KILLS=7 SEEDS=20 DAYS=90 \
		KEY_SEEDS=$(CURDIR)/build/key-seeds \
		MASKS=01,02,04,08,10,20,40,80 SIZE=16384 PAGE_ALL=1 PAGE_BIG=2 \
		CART_LONG=1 UPLOAD_GIB=32 scripts/run-tests $(SOAK) cli/make_cart
	RUN_TESTS_LIMIT=28800 scripts/run-tests aarch64
mutants:
	python3 -B tests/interop/verify_mutants.py -v
bench: drivers $(PROGRAM)
	DRIVERS=$(abspath $(B)/driver) tests/bench/run aws_calls.py
	DRIVERS=$(abspath $(B)/driver) CRASHCART=$(abspath $(PROGRAM)) \
		tests/bench/run cloudtrail.py
	DRIVERS=$(abspath $(B)/driver) CRASHCART=$(abspath $(PROGRAM)) \
		tests/bench/run upload.py
	CRASHCART=$(PROGRAM) bash tests/bench/host.sh
	CRASHCART=$(PROGRAM) bash tests/bench/verify.sh $(VERIFY_MIB)
	DRIVERS=$(B)/driver CRASHCART=$(PROGRAM) bash tests/bench/age.sh
run:
	scripts/bootstrap
	$(MAKE) build/crashcart
	scripts/run-demo

dist:
	scripts/make-dist $(if $(KEY),-k $(KEY)) $(ARCHS)

clean:
	rm -rf $(BUILD)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
