/* SPDX-License-Identifier: ISC */
/* sources: superd/config/[a-z]*.c superd/base/[!s]*.c superd/base/sys_linux.c */
/*
 * The configuration reader, from bytes to services. It must end for every input. superd -t prints the services; the
 * reader must read this text without an error, and print the same text again.
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

static void require(bool condition) {
	if (!condition) abort();
}

/* The working folder of the fuzzer, and a folder that contains only the files of this target, for `include`. */
static int working_folder, target_folder;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
	static const char folder[] = "build/fuzz/config.files";
	(void)argc;
	(void)argv;
	require(mkdir(folder, 0777) == 0 || errno == EEXIST);
	working_folder = open(".", O_RDONLY | O_DIRECTORY);
	target_folder = open(folder, O_RDONLY | O_DIRECTORY);
	require(working_folder >= 0 && target_folder >= 0);
	addr_numeric_only = true;
	log_open(LEVEL_NOTICE, NULL, true);
	return 0;
}

static void write_file(const char *name, const void *data, size_t size) {
	FILE *file = fopen(name, "w");
	require(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

/* Returns the text that superd -t prints for the file; the caller frees it. Sets *errors to the number of errors. */
static char *print_services(const char *name, size_t *length, int *errors) {
	struct options options = {.check = true, .numeric = true, .ready_fd = -1};
	struct config config;
	char *text = NULL;
	FILE *stream = open_memstream(&text, length);
	require(stream != NULL);
	options.paths = (struct words){.word = &name, .count = 1, .set = true};
	config_load(&options, &config, NULL);
	for (size_t i = 0; i < config.count; i++) attr_print_service(config.services[i], stream);
	*errors = config.errors;
	config_free(&config);
	require(fclose(stream) == 0);
	return text;
}

/* Whether the line makes superd read a file in another folder: a device or a pipe might never end. */
static bool reads_other_folder(const char *line, size_t length) {
	bool reads_file = false;
	for (size_t i = 0; i < length; i++) {
		reads_file |= length - i >= 7 && strncasecmp(line + i, "include", 7) == 0;
		reads_file |= length - i >= 6 && strncasecmp(line + i, "banner", 6) == 0;
	}
	return reads_file && memchr(line, '/', length) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const char *line = (const char *)data, *end = line + size, *feed;
	size_t length, length_again;
	int errors;
	for (; line < end; line = feed + 1) {
		feed = memchr(line, '\n', (size_t)(end - line));
		feed = feed == NULL ? end : feed;
		if (reads_other_folder(line, (size_t)(feed - line))) return 0;
	}
	require(fchdir(target_folder) == 0);
	write_file("conf", data, size);
	char *printed = print_services("conf", &length, &errors);
	write_file("printed", printed, length);
	char *printed_again = print_services("printed", &length_again, &errors);
	require(fchdir(working_folder) == 0);
	require(errors == 0 && length == length_again && memcmp(printed, printed_again, length) == 0);
	free(printed);
	free(printed_again);
	return 0;
}
