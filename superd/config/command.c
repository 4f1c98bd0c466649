/*
 * command: the one service that the command line describes, as attributes of superd.conf(5), so that it is treated as a
 * service from a file is.
 */
#include "config.h"

#include <netdb.h>
#include <strings.h>
#include <sys/stat.h>

static const struct location here = {"the command line", 0};

/* Reads -o's NAME=VALUE, NAME+=VALUE or NAME-=VALUE; VALUE is split at blanks. Returns 0, or -1 and an error. */
int command_read_assignment(struct arena *arena, const char *text, struct assignment *assignment, struct error *error) {
	const char *sign = strchr(text, '=');
	assignment->location = here;
	if (sign == NULL || sign == text) return error_set(error, "-o %s: not ATTRIBUTE=VALUE", text);
	*assignment = (struct assignment){.operation = OPERATION_SET, .location = here};
	words_split(arena, &assignment->words, sign + 1);
	if (sign[-1] == '+' || sign[-1] == '-')
		assignment->operation = *--sign == '+' ? OPERATION_ADD : OPERATION_REMOVE;
	while (sign > text && (sign[-1] == ' ' || sign[-1] == '\t')) sign--;
	assignment->name = mem_print(arena, "%.*s", (int)(sign - text), text);
	return 0;
}

static int set_words(struct service *service, const char *name, const char **word, size_t count, struct error *error) {
	struct assignment assignment = {NULL, name, OPERATION_SET, {word, count, true}, here};
	return count == 0 ? 0 : attr_apply(service, &assignment, false, error);
}

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

/* Where PROGRAM is a directory, the executable of its own name inside it: ./cmd is ./cmd/cmd. */
static const char *program_in(const struct service *service, const char *directory, struct error *error) {
	struct stat about;
	char *path = mem_copy(service->arena, directory);
	for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--) path[length - 1] = '\0';
	const char *slash = strrchr(strcmp(path, ".") == 0 ? service->directory : path, '/');
	const char *program = mem_print(service->arena, "%s/%s", path, slash != NULL ? slash + 1 : path);
	if (stat(program, &about) == 0) return program;
	error_set(error, "%s is a directory without its program: %s: %s", directory, program, strerror(errno));
	return NULL;
}

static int find_program(struct service *service, const char *word, struct error *error) {
	struct stat about;
	const char *path = strchr(word, '/') != NULL ? word : command_find_in_path(service->arena, word);
	if (path == NULL) return error_set(error, "%s: no such program in PATH", word);
	if (stat(path, &about) < 0) return error_set(error, "%s: %s", path, strerror(errno));
	if (S_ISDIR(about.st_mode) && (path = program_in(service, path, error)) == NULL) return -1;
	if (path[0] != '/') {
		service->relative_path = path;
		while (strncmp(path, "./", 2) == 0) path += 2 + strspn(path + 2, "/");
		path =
		    mem_print(service->arena, "%s/%s", strcmp(service->directory, "/") ? service->directory : "", path);
	}
	return set_words(service, "server", &path, 1, error);
}

static int set_port(struct service *service, const char *word, struct error *error) {
	const struct servent *listed = getservbyname(word, "tcp");
	if (listed == NULL && strspn(word, "0123456789") != strlen(word))
		return error_set(error, "port: no tcp service '%s' in /etc/services", word);
	if (listed != NULL) word = mem_print(service->loading, "%d", ntohs((uint16_t)listed->s_port));
	return attr_set(service, "port", word, error);
}

static int set_user(struct service *service, const char *word, struct error *error) {
	char *user = mem_copy(service->arena, word), *group = strchr(user, ':');
	if (group != NULL) *group++ = '\0';
	if (attr_set(service, "user", user, error) < 0 ||
	    (group != NULL && attr_set(service, "group", group, error) < 0))
		return -1;
	return sys_has_no_new_privs() ? attr_set(service, "no_new_privs", "yes", error) : 0;
}

static int set_defaults(struct service *service, struct error *error) {
	static const char *const defaults[][2] = {{"type", "UNLISTED"}, {"socket_type", "stream"}, {"wait", "no"},
	    {"instances", "256"}, {"on_limit", "wait"}, {"cps", "0"}, {"stderr", "log"},
	    {"log_on_success", "PID HOST EXIT DURATION"}, {"log_on_failure", "HOST"}};
	for (size_t i = 0; i < LENGTH(defaults); i++)
		if (attr_set(service, defaults[i][0], defaults[i][1], error) < 0) return -1;
	return 0;
}

/* -o does not set what the command line has another option for. */
static int check_repeated(const struct options *options, const struct assignment *assignment, struct error *error) {
	const struct {
		const char *name, *set_by;
		bool is_set;
	} own[] = {{"server", "PROGRAM", true}, {"server_args", "PROGRAM", true}, {"disable", "starting superd", true},
	    {"port", "-p", options->port != NULL}, {"bind", "-b", options->addresses.set},
	    {"interface", "-b", options->addresses.set}, {"user", "-u", options->user != NULL}};
	for (size_t i = 0; i < LENGTH(own); i++)
		if (own[i].is_set && strcasecmp(assignment->name, own[i].name) == 0)
			return error_set(error, "-o %s: %s says that already", assignment->name, own[i].set_by);
	return 0;
}

static int apply_command(struct service *service, const struct options *options, struct error *error) {
	char directory[PATH_MAX];
	size_t arguments = 0;
	if (getcwd(directory, sizeof directory) == NULL)
		return error_set(error, "the current directory: %s", strerror(errno));
	service->from_command_line = true;
	const char *own = mem_copy(service->arena, directory), **words = (const char **)(void *)options->program;
	if (set_defaults(service, error) < 0 || set_words(service, "directory", &own, 1, error) < 0 ||
	    find_program(service, words[0], error) < 0)
		return -1;
	while (words[arguments + 1] != NULL) arguments++;
	service->name = strrchr(service->server, '/') + 1;
	if (set_words(service, "id", &service->name, 1, error) < 0 ||
	    set_words(service, "server_args", words + 1, arguments, error) < 0 ||
	    set_words(service, "bind", options->addresses.word, options->addresses.count, error) < 0)
		return -1;
	if (options->port != NULL && set_port(service, options->port, error) < 0) return -1;
	if (options->user != NULL && set_user(service, options->user, error) < 0) return -1;
	for (size_t i = 0; i < options->assignments.count; i++) {
		struct assignment assignment = {.name = "", .location = here};
		if (command_read_assignment(service->loading, options->assignments.word[i], &assignment, error) < 0 ||
		    check_repeated(options, &assignment, error) < 0 ||
		    attr_apply(service, &assignment, false, error) < 0)
			return -1;
	}
	return 0;
}

/* The service that the options describe, or NULL and an error. */
struct service *command_service(const struct options *options, struct error *error) {
	struct service *service = service_new("", &here);
	if (apply_command(service, options, error) == 0 && service_resolve(service, options->check, error) == 0)
		return service;
	service_release(service);
	return NULL;
}
