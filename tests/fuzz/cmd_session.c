/* sources: cmd/[!m]*.c */
/*
 * Whole sessions, through cmd's main. The input's first byte chooses the options, the rest is what the
 * client sends. What the server sends must be replies, whole and well-formed, and no more of them than
 * there were lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define main cmd_main
#include "../../cmd/main.c"
#undef main

static FILE *requests, *replies;

static void require(bool holds) {
	if (!holds) abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
	(void)argc;
	(void)argv;
	requests = tmpfile();
	replies = tmpfile();
	require(requests != NULL && replies != NULL);
	return 0;
}

static void put_requests(const uint8_t *data, size_t size) {
	int fd = fileno(requests);

	require(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	require(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	require(dup2(fd, STDIN_FILENO) != -1);

	fd = fileno(replies);
	require(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	require(dup2(fd, STDOUT_FILENO) != -1);
}

static bool begins_with(const char *line, const char *start) {
	return strncmp(line, start, strlen(start)) == 0;
}

static bool ends_reply(const char *line) {
	return begins_with(line, "ok<>") || begins_with(line, "ok\n") || begins_with(line, "error<>");
}

/* Returns the number of replies. */
static size_t check_replies(void) {
	off_t length = lseek(fileno(replies), 0, SEEK_END);
	char *text = malloc((size_t)length + 1);
	const char *line, *feed, *end = text + length;
	bool output = false;
	size_t count = 0;

	require(text != NULL && pread(fileno(replies), text, (size_t)length, 0) == length);
	text[length] = '\0';
	for (line = text; line < end; line = feed + 1) {
		feed = memchr(line, '\n', (size_t)(end - line));
		require(feed != NULL);
		output = begins_with(line, "out<>");
		require(output || ends_reply(line));
		count += !output;
	}
	require(!output);
	free(text);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *choices[][4] = {
	    {"cmd"},
	    {"cmd", "-n"},
	    {"cmd", "-l", "8"},
	    {"cmd", "-n", "-l", "1"},
	    {"cmd", "-l", "70000"},
	    {"cmd", "-i", "600"},
	};
	size_t lines = 1, i;
	char **arguments;
	int count = 0;

	if (size == 0) return 0;
	arguments = choices[data[0] % (sizeof choices / sizeof choices[0])];
	while (count < 4 && arguments[count] != NULL) count++;
	for (i = 1; i < size; i++) lines += data[i] == '\n';

	put_requests(data + 1, size - 1);
	optind = 1;
	require(cmd_main(count, arguments) == 0);
	require(check_replies() <= lines);
	return 0;
}
