/* SPDX-License-Identifier: ISC */
/*
 * command: the one service that the command line describes, as assignments of superd.conf(5), so that it is treated as a
 * service from a file is.
 */
#include "config.h"

#include <sys/stat.h>

static const struct location here = {"the command line", 0};

/* A program without a slash, in PATH. NULL if it is not there. */
const char *command_find_in_path(struct arena *arena, const char *name) {
	struct stat about;
	const char *path = getenv("PATH");
	if (path == NULL) path = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		int length = (int)strcspn(path, ":");
		const char *candidate =
		    length == 0 ? mem_print(arena, "./%s", name) : mem_print(arena, "%.*s/%s", length, path, name);
		if (stat(candidate, &about) == 0 && S_ISREG(about.st_mode) && access(candidate, X_OK) == 0)
			return candidate;
		if (path[length] == '\0') return NULL;
		path += length + 1;
	}
}

/*
 * Where PROGRAM is: a path, absolute or from the current directory. Where that is a directory, the executable of its own name
 * inside it: ./cmd is ./cmd/cmd. Returns 0, or -1 and an error.
 */
static int find_program(
    struct arena *arena, const char *program, const char *current, const char **path, struct error *error) {
	struct stat about;
	const char *found = strchr(program, '/') != NULL ? program : command_find_in_path(arena, program);
	bool is_here = strchr(program, '/') == NULL && access(program, X_OK) == 0;
	*path = found;
	if (found == NULL) {
		if (is_here) error_set(error, "%s: no such program in PATH; is ./%s meant?", program, program);
		else error_set(error, "%s: no such program in PATH", program);
		return -1;
	}
	if (is_here) log_warning("%s is %s; ./%s would be the one in this directory", program, found, program);
	if (stat(found, &about) < 0) return error_set(error, "%s: %s", found, strerror(errno));
	if (!S_ISDIR(about.st_mode)) return 0;
	char *folder = mem_copy(arena, found);
	for (size_t i = strlen(folder) - 1; i > 0 && folder[i] == '/'; i--) folder[i] = '\0';
	const char *slash = strrchr(strcmp(folder, ".") == 0 ? current : folder, '/');
	*path = mem_print(arena, "%s/%s", folder, slash != NULL ? slash + 1 : folder);
	if (stat(*path, &about) == 0) return 0;
	return error_set(error, "%s is a directory without its program: %s: %s", found, *path, strerror(errno));
}

/* Adds words as they are, blanks and all; no words add nothing. */
static void add(struct config *config, struct block *block, const char *name, const char **word, size_t count) {
	if (count == 0) return;
	struct assignment *assignment = block_assign(config, block, name, &here);
	for (size_t i = 0; i < count; i++) words_add(config->loading, &assignment->words, word[i]);
}

/* Adds the program, its arguments, and the last component of its path as the id. Returns 0, or -1 and an error. */
static int add_program(struct config *config, struct block *block, struct error *error) {
	char directory[PATH_MAX];
	const char *path, *current;
	char **word = config->options->program;
	if (getcwd(directory, sizeof directory) == NULL)
		return error_set(error, "the current directory: %s", strerror(errno));
	current = mem_copy(config->loading, directory);
	if (find_program(config->loading, *word, current, &path, error) < 0) return -1;
	if (path[0] != '/') {
		config->common->relative_path = mem_copy(config->common->arena, path);
		while (strncmp(path, "./", 2) == 0) path += 2 + strspn(path + 2, "/");
		path = mem_print(config->loading, "%s/%s", strcmp(current, "/") == 0 ? "" : current, path);
	}
	block->name = block_name(config, path);
	add(config, block, "directory", &current, 1);
	add(config, block, "id", &block->name, 1);
	struct assignment *command = block_assign(config, block, "command", &here);
	words_add(config->loading, &command->words, path);
	while (*++word != NULL) words_add(config->loading, &command->words, *word);
	return 0;
}

/* Adds where to listen: the port is a number, or a name in /etc/services. Returns 0, or -1 and an error. */
static int add_addresses(struct config *config, struct block *block, struct error *error) {
	const struct options *options = config->options;
	add(config, block, "bind", options->addresses.word, options->addresses.count);
	if (options->port == NULL) return 0;
	const char *listed = lookup_port(config, options->port, "tcp");
	if (listed == NULL && strspn(options->port, "0123456789") != strlen(options->port))
		return error_set(error, "port: no tcp service '%s' in /etc/services", options->port);
	parse_option(config, block, mem_print(config->loading, "port=%s", listed != NULL ? listed : options->port));
	return 0;
}

/* Adds the user of -u USER[:GROUP]; the program can then gain no privilege by exec. */
static void add_user(struct config *config, struct block *block) {
	const char *user = config->options->user, *group = user != NULL ? strchr(user, ':') : NULL;
	if (user == NULL) return;
	parse_option(config, block, mem_print(config->loading, "user=%.*s", (int)strcspn(user, ":"), user));
	if (group != NULL) parse_option(config, block, mem_print(config->loading, "group=%s", group + 1));
	if (sys_has_no_new_privs()) parse_option(config, block, "no_new_privs=yes");
}

/* Adds an -o option; it does not set what the command line has another option for. Returns 0, or -1 and an error. */
static int add_option(struct config *config, struct block *block, const char *text, struct error *error) {
	const struct options *options = config->options;
	const struct {
		const char *name, *set_by;
		bool is_set;
	} own[] = {{"command", "PROGRAM", true}, {"server", "PROGRAM", true}, {"server_args", "PROGRAM", true},
	    {"disable", "starting superd", true}, {"port", "-p", options->port != NULL},
	    {"bind", "-b", options->addresses.set}, {"user", "-u", options->user != NULL}};
	const struct assignment *assignment = parse_option(config, block, text);
	for (size_t i = 0; i < LENGTH(own) && assignment != NULL; i++)
		if (own[i].is_set && assignment->attr == attr_find(own[i].name))
			return error_set(error, "-o %s: %s says that already", assignment->name, own[i].set_by);
	return 0;
}

/* Adds the block that the command line describes. Its first error is logged. */
void command_read(struct config *config) {
	static const char *const defaults[] = {"type=UNLISTED", "socket_type=stream", "wait=no", "instances=256",
	    "on_limit=wait", "cps=0", "stderr=log", "log_on_success=PID HOST EXIT DURATION", "log_on_failure=HOST"};
	const struct words *options = &config->options->assignments;
	struct block *block = block_add(config, "", &here);
	struct error error = {.text = ""};
	config->common->from_command_line = true;
	for (size_t i = 0; i < LENGTH(defaults); i++) parse_option(config, block, defaults[i]);
	int result = add_program(config, block, &error);
	if (result == 0) result = add_addresses(config, block, &error);
	if (result == 0) add_user(config, block);
	for (size_t i = 0; i < options->count && result == 0 && !block->is_broken; i++)
		result = add_option(config, block, options->word[i], &error);
	if (result == 0) return;
	log_error("%s", error.text);
	block->is_broken = true;
	config->errors++;
}
