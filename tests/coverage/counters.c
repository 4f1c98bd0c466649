/*
 * Linked into a program that is built with --coverage: gcov's counters live in a file, COUNTERS, that all processes of
 * the program share, so that none is lost: not those of a process that is killed, that leaves by _exit or exec, that has
 * become another user or sits in a chroot, or that shares its parent's memory. gcov by itself writes them at exit, as
 * whoever the process is by then; here it does that only where COVERAGE_WRITE is in the environment.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* From counters.ld: the pages that the counters have to themselves. */
extern char counters_begin[], counters_end[];

/* gcov's own, and what its callers get instead (ld --wrap). */
void __real___gcov_exit(void);
void __wrap___gcov_exit(void);

/* A process that cannot have the file counts for itself alone. */
__attribute__((constructor)) static void share_counters(void) {
	size_t size = (size_t)(counters_end - counters_begin);
	int fd = open(COUNTERS, O_RDWR | O_CLOEXEC);
	if (fd < 0) return;
	if (ftruncate(fd, (off_t)size) == 0)
		mmap(counters_begin, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
}

void __wrap___gcov_exit(void) {
	if (getenv("COVERAGE_WRITE") != NULL) __real___gcov_exit();
}
