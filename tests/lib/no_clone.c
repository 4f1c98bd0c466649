/* SPDX-License-Identifier: ISC */
/*
 * no_clone: a library to preload into superd. clone(2) with shared memory fails with the error that CLONE_ERROR is the number of,
 * as under qemu-user or gVisor. fork(3) does not call this function.
 */
#include <errno.h>
#include <stdlib.h>

int clone(int (*run)(void *), void *stack, int flags, void *argument, ...);

int clone(int (*run)(void *), void *stack, int flags, void *argument, ...) {
	(void)run;
	(void)stack;
	(void)flags;
	(void)argument;
	errno = atoi(getenv("CLONE_ERROR"));
	return -1;
}
