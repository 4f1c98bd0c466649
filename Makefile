# superd, cmd and cmdc. One command compiles each program from all of its sources: the whole tree takes
# seconds, and there are no object files. This file needs a make(1) that expands `*.c` in a list of
# prerequisites (GNU make, bmake).

VERSION = 0.1.0

PREFIX = /usr/local
SYSCONFDIR = /etc
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/superd
# The folder for the service files. Packages use $(SYSCONFDIR)/superd.d, which superd.service reads.
ENTRYDIR = $(SYSCONFDIR)/xinetd.d
UNITDIR = $(PREFIX)/lib/systemd/system
# For completion in bash, zsh and fish.
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/site-functions
FISHDIR = $(PREFIX)/share/fish/vendor_completions.d

CC = cc
CFLAGS = -O2
# Empty, but set: otherwise, if DESTDIR is set, bmake adds the include folder in it.
CPPFLAGS =
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
HARDEN = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS = -pie -Wl,-z,relro,-z,now
# Files over 2 GB and times after 2038 on 32-bit machines, too.
DEFINES = -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
COMPILE = $(CC) -std=c11 $(DEFINES) $(WARN) -DVERSION='"$(VERSION)"' $(HARDEN) $(CPPFLAGS) $(CFLAGS)

PROGRAMS = cmd/cmd superd/superd cmdc/cmdc
PORT = 10100

all: $(PROGRAMS)

cmd/cmd: cmd/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ cmd/*.c $(LDLIBS)

# SYSTEM selects the implementation of superd's system calls: linux or posix (superd/base/sys.h).
SYSTEM = linux
BASE = superd/base/addr.c superd/base/hash.c superd/base/inherited.c superd/base/log.c superd/base/loop.c \
	superd/base/mem.c superd/base/quote.c superd/base/resolve.c superd/base/task.c superd/base/sys_$(SYSTEM).c

superd/superd: superd/*.[ch] superd/*/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ superd/*.c superd/server/*.c superd/connection/*.c superd/config/*.c $(BASE) $(LDLIBS)

cmdc/cmdc: cmdc/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ cmdc/*.c $(LDLIBS)

# Without shared libraries, and position-independent where the compiler can. `make static CC=musl-gcc` gives the shortest start-up time.
static: clean
	flags=$$(packaging/static-flags '$(CC)') && $(MAKE) LDFLAGS="$$flags -Wl,-z,relro,-z,now" all

# superd with POSIX.1-2008 only: fork instead of clone, pipes instead of signalfd.
posix: clean
	$(MAKE) SYSTEM=posix all

run: all
	PATH="$$PWD/superd:$$PATH" superd -p $(PORT) ./cmd

check: all
	tests/setup || test "$$(id -u)" -ne 0
	tests/run

lint:
	tests/lint

valgrind:
	tests/valgrind

bench:
	tests/bench/run

# The service files are installed with disable = yes, so make install starts nothing. One that is there already is kept.
FOLDERS = DESTDIR='$(DESTDIR)' SYSCONFDIR='$(SYSCONFDIR)' BINDIR='$(BINDIR)' SBINDIR='$(SBINDIR)' MANDIR='$(MANDIR)' \
	DATADIR='$(DATADIR)' ENTRYDIR='$(ENTRYDIR)' UNITDIR='$(UNITDIR)' COMPLETIONDIR='$(COMPLETIONDIR)' \
	ZSHDIR='$(ZSHDIR)' FISHDIR='$(FISHDIR)'

install: all
	$(FOLDERS) packaging/install install

uninstall:
	$(FOLDERS) packaging/install uninstall

# build/superd-VERSION.tar.gz: the last commit. The archive of a commit is always the same, byte for byte.
dist:
	@test -e .git || { echo 'make dist: needs a git checkout, because it packs the last commit' >&2; exit 1; }
	mkdir -p build
	git -c tar.umask=022 -c core.autocrlf=false archive --prefix=superd-$(VERSION)/ -o build/superd-$(VERSION).tar HEAD
	gzip -9nf build/superd-$(VERSION).tar

# The Debian packages from this archive: build/deb/*.deb. GNU make runs debian/rules, and must not inherit the flags of
# another make.
deb: dist
	rm -rf build/deb
	mkdir build/deb
	gzip -dc build/superd-$(VERSION).tar.gz | tar -C build/deb -xf -
	cd build/deb/superd-$(VERSION) && MAKEFLAGS= dpkg-buildpackage -us -uc -b

# The manuals as HTML, with an index: build/html/. Needs mandoc.
html:
	mkdir -p build/html
	for page in man/*.[0-9]; do \
		mandoc -T html -O man=%N.%S.html $$page >build/html/$${page#man/}.html || exit 1; \
	done
	for page in man/*.[0-9]; do \
		echo "<li><a href=\"$${page#man/}.html\">$${page#man/}</a>: $$(sed -n 's/^\.Nd //p' $$page)</li>"; \
	done | { echo '<!DOCTYPE html><meta charset="utf-8"><title>superd</title><ul>'; cat; echo '</ul>'; } >build/html/index.html

clean:
	rm -f $(PROGRAMS)

.PHONY: all static posix run check lint valgrind bench install uninstall dist deb html clean
