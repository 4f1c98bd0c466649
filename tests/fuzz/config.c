/* sources: superd/config/[a-z]*.c superd/base/[!s]*.c superd/base/sys_linux.c superd/base/syslog.c */
/*
 * The configuration reader, from bytes to services. Whatever the bytes are, it ends; and what it prints of the
 * services reads back without an error, and prints itself again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../superd/config/config.h"

static void require(bool holds) {
	if (!holds) abort();
}

/* The fuzzer's own folder, and ours, with nothing in it but what is read, so that an include finds that or nothing. */
static int outside, inside;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
	static const char folder[] = "build/fuzz/config.files";
	(void)argc;
	(void)argv;
	require(mkdir(folder, 0777) == 0 || errno == EEXIST);
	outside = open(".", O_RDONLY | O_DIRECTORY);
	inside = open(folder, O_RDONLY | O_DIRECTORY);
	require(outside >= 0 && inside >= 0);
	addr_numeric_only = true;
	log_open(LEVEL_NOTICE, NULL, true);
	return 0;
}

static void write_file(const char *name, const void *data, size_t size) {
	FILE *file = fopen(name, "w");
	require(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

/* What superd -t prints for the file, which is to be freed; the number of errors in *errors. */
static char *print(const char *name, size_t *length, int *errors) {
	struct options options = {.check = true, .numeric = true, .ready_fd = -1};
	struct config config;
	char *text = NULL;
	FILE *to = open_memstream(&text, length);
	require(to != NULL);
	options.paths = (struct words){.word = &name, .count = 1, .set = true};
	config_load(&options, &config);
	for (size_t i = 0; i < config.count; i++) attr_print_service(config.services[i], to);
	*errors = config.errors;
	config_free(&config);
	require(fclose(to) == 0);
	return text;
}

/* Whether a line names a file elsewhere that would be read: a device or a pipe might never end. */
static bool reaches_out(const char *line, size_t length) {
	bool names = false;
	for (size_t i = 0; i < length; i++) {
		names |= length - i >= 7 && strncasecmp(line + i, "include", 7) == 0;
		names |= length - i >= 6 && strncasecmp(line + i, "banner", 6) == 0;
	}
	return names && memchr(line, '/', length) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const char *line = (const char *)data, *end = line + size, *feed;
	size_t length, again_length;
	int errors;
	for (; line < end; line = feed + 1) {
		feed = memchr(line, '\n', (size_t)(end - line));
		feed = feed == NULL ? end : feed;
		if (reaches_out(line, (size_t)(feed - line))) return 0;
	}
	require(fchdir(inside) == 0);
	write_file("conf", data, size);
	char *printed = print("conf", &length, &errors);
	write_file("printed", printed, length);
	char *again = print("printed", &again_length, &errors);
	require(fchdir(outside) == 0);
	require(errors == 0 && length == again_length && memcmp(printed, again, length) == 0);
	free(printed);
	free(again);
	return 0;
}
