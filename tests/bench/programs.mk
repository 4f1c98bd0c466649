# Builds the benchmark's own programs with the Makefile's flags for superd and cmd. tests/bench/build installs this file
# as GNUmakefile in its copies of the tree; make reads GNUmakefile instead of Makefile.

include Makefile

tests/bench/%: tests/bench/%.c
	$(COMPILE) $(LDFLAGS) -o $@ $<
