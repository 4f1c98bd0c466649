/*
 * reply: the smallest handler: it says hello on descriptor 1 and ends. What a server adds to it is the server's own.
 */
#include <unistd.h>

int main(void) {
	static const char hello[] = "hello\n";
	return write(STDOUT_FILENO, hello, sizeof hello - 1) == (ssize_t)sizeof hello - 1 ? 0 : 1;
}
