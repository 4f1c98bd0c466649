# superd, cmd and cmdc. Each program is compiled in one step from all of its sources: the whole tree
# takes seconds, and there are no objects to go stale. Works with any make(1) that expands `*.c` in a
# list of prerequisites (GNU make, bmake).

VERSION = 0.1.0

PREFIX = /usr/local
SYSCONFDIR = $(PREFIX)/etc
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/superd

CC = cc
CFLAGS = -O2
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
HARDEN = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS = -pie -Wl,-z,relro,-z,now
COMPILE = $(CC) -std=c11 -D_POSIX_C_SOURCE=200809L $(WARN) -DVERSION='"$(VERSION)"' $(HARDEN) $(CPPFLAGS) $(CFLAGS)

PROGRAMS = cmd/cmd superd/superd cmdc/cmdc
PORT = 10100

all: $(PROGRAMS)

cmd/cmd: cmd/*.[ch] cmd/commands/*.c
	$(COMPILE) $(LDFLAGS) -o $@ cmd/*.c cmd/commands/*.c $(LDLIBS)

superd/superd: superd/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ superd/*.c $(LDLIBS)

cmdc/cmdc: cmdc/*.c
	$(COMPILE) $(LDFLAGS) -o $@ cmdc/*.c $(LDLIBS)

# The release build: no shared library, `make static CC=musl-gcc` for the fastest start.
static:
	$(MAKE) HARDEN='-fstack-protector-strong -D_FORTIFY_SOURCE=2' LDFLAGS='-static -Wl,-z,relro,-z,now' all

run: all
	PATH="$$PWD/superd:$$PATH" superd -p $(PORT) ./cmd

check: all
	tests/setup
	tests/run

lint:
	tests/lint

clean:
	rm -f $(PROGRAMS)

.PHONY: all static run check lint clean
