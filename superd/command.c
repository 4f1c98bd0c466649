/*
 * command: the one service that the command line describes, said in the attributes of superd.conf(5), so that what
 * holds for a service from a file holds for this one too.
 */
#include "superd.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct place here = {"the command line", 0};

static int set(struct service *service, const char *name, const char *value, struct reason *why) {
	struct entry entry = {
	    .name = name, .operator= OPERATOR_SET, .word = &value, .count = 1, .place = here};
	return attr_apply(service, &entry, false, why);
}

/* Reads -o's NAME=VALUE, NAME+=VALUE or NAME-=VALUE; VALUE is split at blanks. Returns 0, or -1 and why. */
int command_read_assignment(struct arena *arena, const char *text, struct entry *entry, struct reason *why) {
	const char *sign = strchr(text, '=');
	if (sign == NULL || sign == text)
		return reason_set(why, "-o %s: not ATTRIBUTE=VALUE", text);
	struct words words = {0};
	words_split(arena, &words, sign + 1);
	*entry =
	    (struct entry){.operator= OPERATOR_SET, .word = words.word, .count = words.count, .place = here};
	if (sign[-1] == '+' || sign[-1] == '-')
		entry->operator= * -- sign == '+' ? OPERATOR_ADD : OPERATOR_REMOVE;
	while (sign > text && (sign[-1] == ' ' || sign[-1] == '\t'))
		sign--;
	entry->name = mem_print(arena, "%.*s", (int)(sign - text), text);
	return 0;
}

static bool is_executable_file(const char *path) {
	struct stat about;
	return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

/* A program without a slash, in PATH. NULL if it is not there. */
static const char *find_in_path(struct arena *arena, const char *name) {
	const char *path = getenv("PATH");
	if (path == NULL)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		int length = (int)strcspn(path, ":");
		const char *candidate = length == 0 ? mem_print(arena, "./%s", name)
						    : mem_print(arena, "%.*s/%s", length, path, name);
		if (is_executable_file(candidate))
			return candidate;
		if (path[length] == '\0')
			return NULL;
		path += length + 1;
	}
}

/* Where PROGRAM is a directory, the executable of its own name inside it: ./cmd is ./cmd/cmd. */
static const char *program_in(struct arena *arena, const char *directory, struct reason *why) {
	char *name, *full = realpath(directory, NULL);
	if (full == NULL) {
		reason_set(why, "%s: %s", directory, strerror(errno));
		return NULL;
	}
	name = strrchr(full, '/') + 1;
	const char *program = mem_print(arena, "%s/%s", directory, name);
	free(full);
	struct stat about;
	if (stat(program, &about) < 0) {
		reason_set(why, "%s is a directory without its program: %s: %s", directory, program,
		    strerror(errno));
		return NULL;
	}
	return program;
}

static int find_program(struct service *service, const char *word, struct reason *why) {
	struct stat about;
	const char *path = strchr(word, '/') != NULL ? word : find_in_path(service->arena, word);
	if (path == NULL)
		return reason_set(why, "%s: no such program in PATH", word);
	if (stat(path, &about) < 0)
		return reason_set(why, "%s: %s", path, strerror(errno));
	if (S_ISDIR(about.st_mode) && (path = program_in(service->arena, path, why)) == NULL)
		return -1;
	if (path[0] != '/') {
		service->relative_path = path;
		while (strncmp(path, "./", 2) == 0)
			path += 2 + strspn(path + 2, "/");
		path = mem_print(
		    service->arena, "%s/%s", strcmp(service->directory, "/") ? service->directory : "", path);
	}
	service->server = path;
	return 0;
}

static int find_port(struct service *service, const char *word, struct reason *why) {
	const struct servent *listed = getservbyname(word, "tcp");
	if (listed != NULL) {
		service->port = ntohs((uint16_t)listed->s_port);
		return 0;
	}
	if (strspn(word, "0123456789") != strlen(word))
		return reason_set(why, "port: no tcp service '%s' in /etc/services", word);
	return set(service, "port", word, why);
}

static int set_user(struct service *service, const char *word, struct reason *why) {
	char *user = mem_copy(service->arena, word), *group = strchr(user, ':');
	if (group != NULL)
		*group++ = '\0';
	if (set(service, "user", user, why) < 0 || (group != NULL && set(service, "group", group, why) < 0))
		return -1;
	service->no_new_privs = true;
	return 0;
}

static int apply_command(struct service *service, const struct options *options, struct reason *why) {
	char directory[PATH_MAX];
	if (getcwd(directory, sizeof directory) == NULL)
		return reason_set(why, "the current directory: %s", strerror(errno));
	service->from_command_line = true;
	service->directory = mem_copy(service->arena, directory);
	service->type = TYPE_UNLISTED;
	service->socket_type = SOCK_STREAM;
	service->wait = false;
	service->instances = 256;
	service->on_limit = ON_LIMIT_WAIT;
	service->cps = (struct rate){0, 0};
	service->stderr_to = STDERR_LOG;
	service->log_on_success = LOG_ITEM_PID | LOG_ITEM_HOST | LOG_ITEM_EXIT | LOG_ITEM_DURATION;
	service->log_on_failure = LOG_ITEM_HOST;
	if (find_program(service, options->program[0], why) < 0)
		return -1;
	service->name = service->id = strrchr(service->server, '/') + 1;
	for (char **argument = options->program + 1; *argument != NULL; argument++)
		words_add(service->arena, &service->server_args, *argument);
	for (size_t i = 0; i < options->addresses.count; i++)
		words_add(service->arena, &service->bind, options->addresses.word[i]);
	if (options->port != NULL && find_port(service, options->port, why) < 0)
		return -1;
	if (options->user != NULL && set_user(service, options->user, why) < 0)
		return -1;
	for (size_t i = 0; i < options->assignments.count; i++) {
		struct entry entry;
		if (command_read_assignment(service->arena, options->assignments.word[i], &entry, why) < 0 ||
		    attr_apply(service, &entry, false, why) < 0)
			return -1;
	}
	return 0;
}

/* The service that the options describe. Its places last as long as `loading`. NULL and why if it cannot be. */
struct service *command_service(const struct options *options, struct arena *loading, struct reason *why) {
	struct service *service = service_new("", &here, loading);
	if (apply_command(service, options, why) == 0 && service_resolve(service, options->check, why) == 0)
		return service;
	service_free(service);
	return NULL;
}
