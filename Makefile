# Caisson. `make help` says what each target does; packages/README.md how the parts from elsewhere are built.
# Everything built goes under out/; what is fetched, and built parts, into a cache outside the tree.

MAKEFLAGS += --no-builtin-rules -j$(shell nproc)
SHELL = /bin/sh

.DELETE_ON_ERROR:
.SECONDARY:

LIBRARIES = inih libarchive libgcrypt libgpg-error libpq mbedtls util-linux yyjson zlib zstd
# What nobody calls goes: in libgcrypt that calls digests which it is built without.
LDLIBS = -Wl,--gc-sections -larchive -lgcrypt -lgpg-error -lpgdump -lpq -lmbedtls -lmbedx509 -lmbedcrypto -lzstd -lz -linih -lyyjson -lblkid -luuid -lpthread -lm

SOURCES := $(sort $(shell find tools -name '*.c'))
TESTS := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
HELPERS := $(filter-out $(TESTS),$(sort $(shell find tests/unit -name '*.c' 2>/dev/null)))
PROGRAM := $(SOURCES:%.c=out/musl/%.o)
MODULES := $(filter-out out/host/tools/caisson/main.o,$(SOURCES:%.c=out/host/%.o))
UNITS := $(TESTS:tests/unit/%.c=out/unit/%)

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Werror
CFLAGS_BOTH = -std=c11 -D_GNU_SOURCE -Itools $(WARNINGS) -fstack-protector-strong -ffile-prefix-map=$(CURDIR)=. -MMD -MP
MUSL_CC = out/sysroot/musl/bin/musl-gcc
MUSL_CFLAGS = $(CFLAGS_BOTH) -O2 -g -gz -fPIE -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
MUSL_LDFLAGS = -static-pie
HOST_CC = gcc
HOST_CFLAGS = $(CFLAGS_BOTH) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-isystem out/sysroot/host/include
HOST_LDFLAGS = -fsanitize=address,undefined -Lout/sysroot/host/lib

# V=1 shows each command.
q = $(if $(V),,@echo '  $(1) $@';)

# ONLY=pattern goes to the tests, TRUST=FILE.pem to the image.
export ONLY TRUST

all: tools image ## the program and the media
tools: out/caisson ## out/caisson: the program, static
image: tools licences ## out/caisson.efi, out/caisson.img and out/pxe/ (TRUST=FILE.pem: the root it trusts, else none; DATA_MB=512: the stick's room)
	scripts/fetch
	scripts/make-image
usb: image ## out/caisson.img, for a USB stick
pxe: image ## out/pxe/, for a TFTP server
run: image ## boots the stick in QEMU
	scripts/run-qemu
demo: image ## a real server goes from one release to the next, start to end
	tests/demo/run-demo
demo-rollback: image ## the same with an upgrade that fails: the server comes back as it was
	tests/demo/run-demo-rollback
test: tools unit out/test-cut ## every test that fits an hour (ONLY=TEXT: those whose name holds it, as package, boot/usb)
	tests/run
test-long: tools unit out/test-cut ## the tests that do not (ONLY=TEXT)
	tests/run --long
unit: $(UNITS) out/host/caisson ## builds the unit tests and out/host/caisson, with ASan and UBSan
check: unit ## formatting, lint and layout, one line each
	scripts/check
bench: image ## measures: sizes, seconds, bytes (ONLY=TEXT)
	tests/bench/run
sbom: | needs ## out/caisson.spdx.json: what is inside
	@mkdir -p out
	scripts/sbom >out/caisson.spdx.json
licences: out/licences/INDEX ## out/licences/: under which terms
format: ## lays out the C files as .clang-format says
	find tools tests -name "*.[ch]" | xargs clang-format -i
needs: ## installs the distribution's packages that all this needs
	@scripts/install-needs
clean: ## removes out/; the cache stays
	rm -rf out
help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16
.PHONY: all tools image usb pxe run demo demo-rollback test test-long unit check bench sbom licences format needs clean help

# What the program stands on, laid out in one folder for each toolchain. `parts` changes only when a part does.
PARTS = $(LIBRARIES) musl linux-headers
RECIPES := $(shell find $(PARTS:%=packages/%) -type f)
out/sysroot/%/checked: $(RECIPES) scripts/sysroot | needs
	scripts/fetch $(PARTS)
	scripts/sysroot out/sysroot/$* $(LIBRARIES:%=%:$*)
	@touch $@
out/sysroot/%/parts: out/sysroot/%/checked
	@:

# Changes when a source file comes or goes.
out/sources: needs
	@mkdir -p out
	@echo '$(SOURCES)' | cmp -s - $@ || echo '$(SOURCES)' >$@

out/caisson: $(PROGRAM) out/sysroot/musl/parts out/sources
	$(call q,LINK)$(MUSL_CC) $(MUSL_LDFLAGS) -o $@.debug $(PROGRAM) -Wl,--start-group $(LDLIBS) -Wl,--end-group
	@strip -o $@ $@.debug
# The program with moments at which tests can cut it off (tests/sequence/cut.c).
out/test-cut: $(PROGRAM) out/musl/tests/sequence/cut.o out/sysroot/musl/parts out/sources
	$(call q,LINK)$(MUSL_CC) $(MUSL_LDFLAGS) -Wl,--wrap=fdatasync,--wrap=clock_gettime,--wrap=tree_exchange,--wrap=tree_move -o $@ $(PROGRAM) \
		out/musl/tests/sequence/cut.o -Wl,--start-group $(LDLIBS) -Wl,--end-group
out/musl/%.o: %.c out/sysroot/musl/parts Makefile
	@mkdir -p $(@D)
	$(call q,CC)$(MUSL_CC) $(MUSL_CFLAGS) -c -o $@ $<

out/host/caisson: out/host/tools/caisson/main.o out/host/libcaisson.a
	$(call q,LINK)$(HOST_CC) $(HOST_LDFLAGS) -o $@ $^ -Wl,--start-group $(LDLIBS) -Wl,--end-group
out/host/libcaisson.a: $(MODULES) out/sources
	@rm -f $@
	$(call q,AR)ar qcsD $@ $(MODULES)
out/host/tests/%.o: WARNINGS += -Wno-missing-prototypes
out/host/%.o: %.c out/sysroot/host/parts Makefile
	@mkdir -p $(@D)
	$(call q,CC)$(HOST_CC) $(HOST_CFLAGS) -Itests/unit -c -o $@ $<

# A line of a test may say `// wrap: fn fn` (calls of fn reach its __wrap_fn) or `// without: lib/clock` (it brings its own in
# place of that module). Other .c files below tests/unit/ are helpers, for all tests.
said = $(shell sed -n 's|^// $(1): ||p' tests/unit/$*.c)
comma = ,
without = $(patsubst %,out/host/tools/%.o,$(call said,without))
$(UNITS): out/unit/%: out/host/tests/unit/%.o out/host/libcaisson.a $(HELPERS:%.c=out/host/%.o)
	@mkdir -p $(@D) && rm -f $@.a
	@$(if $(without),ar qcsD $@.a $(filter-out $(without),$(MODULES)),ln -s $(CURDIR)/out/host/libcaisson.a $@.a)
	$(call q,LINK)$(HOST_CC) $(HOST_LDFLAGS) $(patsubst %,-Wl$(comma)--wrap=%,$(call said,wrap)) -o $@ $< $(HELPERS:%.c=out/host/%.o) \
		$@.a -lcmocka -Wl,--start-group $(LDLIBS) -Wl,--end-group
	@rm -f $@.a

# clang-tidy, file by file, again only when a file or a header it reads has changed.
TIDY := $(SOURCES:%.c=out/check/%.tidy)
check-tidy: $(TIDY)
out/check/%.tidy: %.c out/host/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call q,TIDY)clang-tidy --quiet $< -- $(filter-out -f% -M% -O% -g,$(HOST_CFLAGS)) >$@.new 2>$@.log || { cat $@.new; exit 1; }
	@mv $@.new $@
.PHONY: check-tidy

out/licences/INDEX: $(wildcard packages/*/licence) scripts/licences scripts/parts LICENSE | out/sysroot/musl/checked
	scripts/fetch
	scripts/licences out/licences

-include $(PROGRAM:.o=.d) $(SOURCES:%.c=out/host/%.d) $(TESTS:%.c=out/host/%.d) $(HELPERS:%.c=out/host/%.d)
