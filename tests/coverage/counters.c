/* SPDX-License-Identifier: ISC */
/*
 * Linked into a program that is built with --coverage. gcov writes its counters at exit, with the user and the root
 * folder that the process has then. It loses the counters of a process that is killed, that ends with _exit or exec,
 * that runs as another user or in a chroot, or that shares the memory of its parent. This file maps the counters of all
 * processes of a program to one shared file, COUNTERS. gcov writes them only if COVERAGE_WRITE is in the environment.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* From counters.ld: the begin and the end of the pages that contain only counters. */
extern char counters_begin[], counters_end[];

/* gcov's function, and its replacement (ld --wrap). */
void __real___gcov_exit(void);
void __wrap___gcov_exit(void);

/* A process that cannot open the file has private counters. */
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
