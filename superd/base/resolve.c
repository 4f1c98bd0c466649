/* SPDX-License-Identifier: ISC */
/*
 * resolve: the lookup of a host name while something else goes on. The DNS may take many seconds, and getaddrinfo(3) waits for
 * it: a child asks, and passes the answer through a pipe.
 */
#include "base.h"

#include <poll.h>
#include <sys/wait.h>

enum { MOST_FOUND = 64, TURN_MS = 10 };

struct answer {
	int count; /* -1: error */
	struct error error;
	struct endpoint found[MOST_FOUND];
};

/* Nothing of the parent's stays open: a client whose connection the child kept would not see its end. */
static _Noreturn void ask(int to, const char *host, const char *port) {
	struct answer answer = {.error.text = ""};
	struct endpoint *found;
	mem_exhausted = abort;
	if (dup2(to, STDERR_FILENO + 1) < 0) _exit(EXIT_FAILURE);
	task_close_from(STDERR_FILENO + 2, CLOSE_NOW);
	sys_default_signals();
	task_unblock_signals();
	answer.count = addr_resolve(mem_arena_new(), host, port, &found, &answer.error);
	if (answer.count > MOST_FOUND) answer.count = MOST_FOUND;
	for (int i = 0; i < answer.count; i++) answer.found[i] = found[i];
	_exit(write(STDERR_FILENO + 1, &answer, sizeof answer) < 0);
}

/* Reads the answer, which is short if the child has failed, and calls `meanwhile` until it is there. */
static size_t await(int from, struct answer *answer, void (*meanwhile)(void)) {
	struct pollfd polled = {.fd = from, .events = POLLIN};
	size_t length = 0;
	for (ssize_t count = 1; count != 0;) {
		meanwhile();
		poll(&polled, 1, TURN_MS);
		count = read(from, (char *)answer + length, sizeof *answer - length);
		if (count > 0) length += (size_t)count;
		if (length == sizeof *answer) break;
	}
	return length;
}

/*
 * As addr_resolve; for a name, `meanwhile` is called again and again until it is known, and it has at most MOST_FOUND
 * addresses. NULL: nothing goes on.
 */
int addr_resolve_meanwhile(struct arena *arena, const char *host, const char *port, struct endpoint **found,
    struct error *error, void (*meanwhile)(void)) {
	struct answer answer = {.error.text = ""};
	int ends[2] = {-1, -1};
	bool is_numeric_only = addr_numeric_only;
	addr_numeric_only |= meanwhile != NULL;
	int count = addr_resolve(arena, host, port, found, error);
	addr_numeric_only = is_numeric_only;
	if (count >= 0 || meanwhile == NULL || is_numeric_only) return count;
	pid_t pid = sys_pipe(ends) < 0 ? -1 : fork();
	if (pid == 0) ask(ends[1], host, port);
	close(ends[1]);
	size_t length = pid < 0 ? 0 : await(ends[0], &answer, meanwhile);
	close(ends[0]);
	if (pid < 0) return addr_resolve(arena, host, port, found, error);
	waitpid(pid, NULL, 0);
	if (length < sizeof answer) return error_set(error, "%s: the lookup has failed", host);
	if (answer.count < 0) return error_set(error, "%s", answer.error.text);
	size_t size = (size_t)answer.count * sizeof **found;
	*found = memcpy(mem_alloc(arena, size), answer.found, size);
	return answer.count;
}
