/*
 * command: the one service that the command line describes, said in the attributes of superd.conf(5), so that what
 * holds for a service from a file holds for this one too.
 */
#include "superd.h"

#include <netdb.h>
#include <strings.h>
#include <sys/stat.h>

static const struct place here = {"the command line", 0};

/* Reads -o's NAME=VALUE, NAME+=VALUE or NAME-=VALUE; VALUE is split at blanks. Returns 0, or -1 and why. */
int command_read_assignment(struct arena *arena, const char *text, struct entry *entry, struct reason *why) {
	const char *sign = strchr(text, '=');
	entry->place = here;
	if (sign == NULL || sign == text) return reason_set(why, "-o %s: not ATTRIBUTE=VALUE", text);
	*entry = (struct entry){.operation = OPERATION_SET, .place = here};
	words_split(arena, &entry->words, sign + 1);
	if (sign[-1] == '+' || sign[-1] == '-') entry->operation = *--sign == '+' ? OPERATION_ADD : OPERATION_REMOVE;
	while (sign > text && (sign[-1] == ' ' || sign[-1] == '\t')) sign--;
	entry->name = mem_print(arena, "%.*s", (int)(sign - text), text);
	return 0;
}

static int set_words(struct service *service, const char *name, const char **word, size_t count, struct reason *why) {
	struct entry entry = {NULL, name, OPERATION_SET, {word, count, true}, here};
	return count == 0 ? 0 : attr_apply(service, &entry, false, why);
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
static const char *program_in(const struct service *service, const char *directory, struct reason *why) {
	struct stat about;
	char *path = mem_copy(service->arena, directory);
	for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--) path[length - 1] = '\0';
	const char *slash = strrchr(strcmp(path, ".") == 0 ? service->directory : path, '/');
	const char *program = mem_print(service->arena, "%s/%s", path, slash != NULL ? slash + 1 : path);
	if (stat(program, &about) == 0) return program;
	reason_set(why, "%s is a directory without its program: %s: %s", directory, program, strerror(errno));
	return NULL;
}

static int find_program(struct service *service, const char *word, struct reason *why) {
	struct stat about;
	const char *path = strchr(word, '/') != NULL ? word : command_find_in_path(service->arena, word);
	if (path == NULL) return reason_set(why, "%s: no such program in PATH", word);
	if (stat(path, &about) < 0) return reason_set(why, "%s: %s", path, strerror(errno));
	if (S_ISDIR(about.st_mode) && (path = program_in(service, path, why)) == NULL) return -1;
	if (path[0] != '/') {
		service->relative_path = path;
		while (strncmp(path, "./", 2) == 0) path += 2 + strspn(path + 2, "/");
		path =
		    mem_print(service->arena, "%s/%s", strcmp(service->directory, "/") ? service->directory : "", path);
	}
	return set_words(service, "server", &path, 1, why);
}

static int set_port(struct service *service, const char *word, struct reason *why) {
	const struct servent *listed = getservbyname(word, "tcp");
	if (listed == NULL && strspn(word, "0123456789") != strlen(word))
		return reason_set(why, "port: no tcp service '%s' in /etc/services", word);
	if (listed != NULL) word = mem_print(service->loading, "%d", ntohs((uint16_t)listed->s_port));
	return attr_set(service, "port", word, why);
}

static int set_user(struct service *service, const char *word, struct reason *why) {
	char *user = mem_copy(service->arena, word), *group = strchr(user, ':');
	if (group != NULL) *group++ = '\0';
	if (attr_set(service, "user", user, why) < 0 || (group != NULL && attr_set(service, "group", group, why) < 0))
		return -1;
	return sys_has_no_new_privs() ? attr_set(service, "no_new_privs", "yes", why) : 0;
}

static int set_presets(struct service *service, struct reason *why) {
	static const char *const presets[][2] = {{"type", "UNLISTED"}, {"socket_type", "stream"}, {"wait", "no"},
	    {"instances", "256"}, {"on_limit", "wait"}, {"cps", "0"}, {"stderr", "log"},
	    {"log_on_success", "PID HOST EXIT DURATION"}, {"log_on_failure", "HOST"}};
	for (size_t i = 0; i < LENGTH(presets); i++)
		if (attr_set(service, presets[i][0], presets[i][1], why) < 0) return -1;
	return 0;
}

/* What the command line says in a way of its own is not said once more with -o. */
static int check_repeated(const struct options *options, const struct entry *entry, struct reason *why) {
	const struct {
		const char *name, *said_by;
		bool is_said;
	} own[] = {{"server", "PROGRAM", true}, {"server_args", "PROGRAM", true}, {"disable", "starting superd", true},
	    {"port", "-p", options->port != NULL}, {"bind", "-b", options->addresses.set},
	    {"interface", "-b", options->addresses.set}, {"user", "-u", options->user != NULL}};
	for (size_t i = 0; i < LENGTH(own); i++)
		if (own[i].is_said && strcasecmp(entry->name, own[i].name) == 0)
			return reason_set(why, "-o %s: %s says that already", entry->name, own[i].said_by);
	return 0;
}

static int apply_command(struct service *service, const struct options *options, struct reason *why) {
	char directory[PATH_MAX];
	size_t arguments = 0;
	if (getcwd(directory, sizeof directory) == NULL)
		return reason_set(why, "the current directory: %s", strerror(errno));
	service->from_command_line = true;
	const char *own = mem_copy(service->arena, directory), **words = (const char **)(void *)options->program;
	if (set_presets(service, why) < 0 || set_words(service, "directory", &own, 1, why) < 0 ||
	    find_program(service, words[0], why) < 0)
		return -1;
	while (words[arguments + 1] != NULL) arguments++;
	service->name = strrchr(service->server, '/') + 1;
	if (set_words(service, "id", &service->name, 1, why) < 0 ||
	    set_words(service, "server_args", words + 1, arguments, why) < 0 ||
	    set_words(service, "bind", options->addresses.word, options->addresses.count, why) < 0)
		return -1;
	if (options->port != NULL && set_port(service, options->port, why) < 0) return -1;
	if (options->user != NULL && set_user(service, options->user, why) < 0) return -1;
	for (size_t i = 0; i < options->assignments.count; i++) {
		struct entry entry = {.name = "", .place = here};
		if (command_read_assignment(service->loading, options->assignments.word[i], &entry, why) < 0 ||
		    check_repeated(options, &entry, why) < 0 || attr_apply(service, &entry, false, why) < 0)
			return -1;
	}
	return 0;
}

/* The service that the options describe. NULL and why if it cannot be. */
struct service *command_service(const struct options *options, struct reason *why) {
	struct service *service = service_new("", &here);
	if (apply_command(service, options, why) == 0 && service_resolve(service, options->check, why) == 0)
		return service;
	service_free(service);
	return NULL;
}
