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
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions

CC = cc
CFLAGS = -O2
# Empty, but set: otherwise, if DESTDIR is set, bmake adds the include folder in it.
CPPFLAGS =
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion
HARDEN = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS = -pie -Wl,-z,relro,-z,now
COMPILE = $(CC) -std=c11 -D_POSIX_C_SOURCE=200809L $(WARN) -DVERSION='"$(VERSION)"' $(HARDEN) $(CPPFLAGS) $(CFLAGS)

PROGRAMS = cmd/cmd superd/superd cmdc/cmdc
PORT = 10100

all: $(PROGRAMS)

cmd/cmd: cmd/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ cmd/*.c $(LDLIBS)

# SYSTEM selects the implementation of superd's system calls: linux or posix (superd/base/sys.h).
SYSTEM = linux
BASE = superd/base/addr.c superd/base/hash.c superd/base/inherited.c superd/base/log.c superd/base/loop.c \
	superd/base/mem.c superd/base/quote.c superd/base/syslog.c superd/base/task.c superd/base/sys_$(SYSTEM).c

superd/superd: superd/*.[ch] superd/*/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ superd/*.c superd/server/*.c superd/connection/*.c superd/config/*.c $(BASE) $(LDLIBS)

cmdc/cmdc: cmdc/*.[ch]
	$(COMPILE) $(LDFLAGS) -o $@ cmdc/*.c $(LDLIBS)

# The release build without shared libraries. `make static CC=musl-gcc` gives the shortest start-up time.
static: clean
	$(MAKE) HARDEN='-fstack-protector-strong -D_FORTIFY_SOURCE=2' LDFLAGS='-static -Wl,-z,relro,-z,now' all

# superd with POSIX.1-2008 only: fork instead of clone, pipes instead of signalfd.
posix: clean
	$(MAKE) SYSTEM=posix all

run: all
	PATH="$$PWD/superd:$$PATH" superd -p $(PORT) ./cmd

check: all
	tests/setup
	tests/run

lint:
	tests/lint

valgrind:
	tests/valgrind

bench:
	tests/bench/run

# The service files are installed with the paths of the programs and with disable = yes, so make install starts nothing.
install: all
	umask 022 && mkdir -p $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(DATADIR)
	umask 022 && mkdir -p $(DESTDIR)$(ENTRYDIR) $(DESTDIR)$(SYSCONFDIR)/superd.d
	install -m 755 cmd/cmd cmdc/cmdc $(DESTDIR)$(BINDIR)
	install -m 755 superd/superd $(DESTDIR)$(SBINDIR)
	install -m 755 share/health $(DESTDIR)$(DATADIR)
	umask 022 && mkdir -p $(DESTDIR)$(UNITDIR)
	for unit in systemd/*; do \
		sed 's|/usr/local/sbin|$(SBINDIR)|; s|/etc/|$(SYSCONFDIR)/|g' \
		    $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done
	umask 022 && mkdir -p $(DESTDIR)$(DATADIR)/commands $(DESTDIR)$(DATADIR)/examples $(DESTDIR)$(COMPLETIONDIR)
	install -m 755 commands/* $(DESTDIR)$(DATADIR)/commands
	install -m 644 completions/* $(DESTDIR)$(COMPLETIONDIR)
	for file in examples/*; do \
		mode=644 && if test -x $$file; then mode=755; fi && \
		sed 's|/usr/local/sbin|$(SBINDIR)|; s|/usr/local/bin|$(BINDIR)|; s|/usr/local/share/superd|$(DATADIR)|' \
		    $$file >$(DESTDIR)$(DATADIR)/$$file && \
		chmod $$mode $(DESTDIR)$(DATADIR)/$$file || exit 1; \
	done
	for page in man/*.[0-9]; do \
		umask 022 && mkdir -p $(DESTDIR)$(MANDIR)/man$${page##*.} && \
		install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.} || exit 1; \
	done
	for entry in xinetd.d/*; do \
		sed -e 's|/usr/local/bin|$(BINDIR)|; s|/usr/local/share/superd|$(DATADIR)|' \
		    -e 's|\(disable[[:blank:]]*=[[:blank:]]*\)no$$|\1yes|' \
		    $$entry >$(DESTDIR)$(ENTRYDIR)/$${entry##*/} && \
		chmod 644 $(DESTDIR)$(ENTRYDIR)/$${entry##*/} || exit 1; \
	done

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/cmd $(DESTDIR)$(BINDIR)/cmdc $(DESTDIR)$(SBINDIR)/superd
	rm -f $(DESTDIR)$(DATADIR)/health
	for unit in systemd/*; do rm -f $(DESTDIR)$(UNITDIR)/$${unit##*/}; done
	for file in commands/* examples/*; do rm -f $(DESTDIR)$(DATADIR)/$$file; done
	for file in completions/*; do rm -f $(DESTDIR)$(COMPLETIONDIR)/$${file#completions/}; done
	rmdir $(DESTDIR)$(DATADIR)/commands $(DESTDIR)$(DATADIR)/examples 2>/dev/null || :
	rmdir $(DESTDIR)$(DATADIR) 2>/dev/null || :
	for page in man/*.[0-9]; do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page#man/}; done
	for entry in xinetd.d/*; do rm -f $(DESTDIR)$(ENTRYDIR)/$${entry##*/}; done
	rmdir $(DESTDIR)$(SYSCONFDIR)/superd.d 2>/dev/null || :

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

clean:
	rm -f $(PROGRAMS)

.PHONY: all static posix run check lint valgrind bench install uninstall dist deb clean
