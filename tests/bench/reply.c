/* SPDX-License-Identifier: ISC */
/*
 * reply: the smallest handler: write `hello` to descriptor 1, and exit. All other time of a connection is the server's.
 */
#include <unistd.h>

int main(void) {
	static const char hello[] = "hello\n";
	return write(STDOUT_FILENO, hello, sizeof hello - 1) == (ssize_t)sizeof hello - 1 ? 0 : 1;
}
