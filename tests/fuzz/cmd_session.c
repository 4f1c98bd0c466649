/* SPDX-License-Identifier: ISC */
/* sources: cmd/[!m]*.c */
/*
 * Whole sessions, through cmd's main. The first byte of the input chooses the options, the rest is the requests.
 * cmd must send complete, well-formed replies, and not more replies than there are request lines.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define main cmd_main
#include "../../cmd/main.c"
#undef main

static FILE *requests, *replies;

static void require(bool condition) {
	if (!condition) abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
	(void)argc;
	(void)argv;
	requests = tmpfile();
	replies = tmpfile();
	require(requests != NULL && replies != NULL);
	return 0;
}

static void prepare_files(const uint8_t *data, size_t size) {
	int fd = fileno(requests);

	require(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	require(write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	require(dup2(fd, STDIN_FILENO) != -1);

	fd = fileno(replies);
	require(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	require(dup2(fd, STDOUT_FILENO) != -1);
}

static bool starts_with(const char *line, const char *start) { return strncmp(line, start, strlen(start)) == 0; }

static bool ends_reply(const char *line) {
	return starts_with(line, "ok<>") || starts_with(line, "ok\n") || starts_with(line, "error<>");
}

/* Checks the replies. Returns their number. */
static size_t check_replies(void) {
	off_t length = lseek(fileno(replies), 0, SEEK_END);
	char *text = malloc((size_t)length + 1);
	const char *line, *feed, *end = text + length;
	bool is_output = false;
	size_t count = 0;

	require(text != NULL && pread(fileno(replies), text, (size_t)length, 0) == length);
	text[length] = '\0';
	for (line = text; line < end; line = feed + 1) {
		feed = memchr(line, '\n', (size_t)(end - line));
		require(feed != NULL);
		is_output = starts_with(line, "out<>");
		require(is_output || ends_reply(line));
		count += !is_output;
	}
	require(!is_output);
	free(text);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *option_sets[][4] = {
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
	arguments = option_sets[data[0] % (sizeof option_sets / sizeof option_sets[0])];
	while (count < 4 && arguments[count] != NULL) count++;
	for (i = 1; i < size; i++) lines += data[i] == '\n';

	prepare_files(data + 1, size - 1);
	optind = 1;
	require(cmd_main(count, arguments) == 0);
	require(check_replies() <= lines);
	return 0;
}
