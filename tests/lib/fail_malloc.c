/* SPDX-License-Identifier: ISC */
/*
 * A library to preload: the allocation number FAIL_AT of a process of the program FAIL_IN fails. To count them, each adds a
 * byte to the file FAIL_COUNT, if that is set. Other programs, and what libraries allocate, are not touched: glibc ends a
 * process that has no memory at its first getpwnam(3).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_of_program(void *caller) {
	Dl_info about;
	return dladdr(caller, &about) != 0 && strcmp(basename(about.dli_fname), program_invocation_short_name) == 0;
}

static int fails(void *caller) {
	static int is_on = -1, counter = -1;
	static unsigned long count, at;
	if (is_on < 0) {
		const char *program = getenv("FAIL_IN"), *number = getenv("FAIL_AT");
		is_on = program != NULL && number != NULL && strcmp(program_invocation_short_name, program) == 0;
		if (is_on) at = strtoul(number, NULL, 10);
		if (is_on && getenv("FAIL_COUNT") != NULL)
			counter = open(getenv("FAIL_COUNT"), O_WRONLY | O_APPEND | O_CLOEXEC);
	}
	if (is_on < 1 || !is_of_program(caller)) return 0;
	if (counter >= 0 && write(counter, "", 1) != 1) abort();
	if (++count != at) return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size) {
	static void *(*next)(size_t);
	if (next == NULL) next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	return fails(__builtin_return_address(0)) ? NULL : next(size);
}

void *calloc(size_t count, size_t size) {
	void *memory = fails(__builtin_return_address(0)) ? NULL : malloc(count * size);
	return memory == NULL ? NULL : memset(memory, 0, count * size);
}

void *realloc(void *old, size_t size) {
	static void *(*next)(void *, size_t);
	if (next == NULL) next = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	return fails(__builtin_return_address(0)) ? NULL : next(old, size);
}
