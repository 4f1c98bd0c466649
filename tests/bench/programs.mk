# The benchmark's own programs, compiled and linked as the Makefile does it with superd and cmd: tests/bench/build
# puts this file into its copies of the tree as GNUmakefile, which make reads before Makefile.

include Makefile

tests/bench/%: tests/bench/%.c
	$(COMPILE) $(LDFLAGS) -o $@ $<
