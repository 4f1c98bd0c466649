/* SPDX-License-Identifier: ISC */
/*
 * Decides which files of the -d directory are commands: programs that only trusted users can change, which are root,
 * the user that cmd runs as, and the owner of the directory. Each component of the path without links is checked, from
 * the root down, for every request, and that path is executed: no other user can change a component of it. A link may
 * lead through directories of others, and they can change it, but only to what is refused at the next request.
 */
/* For realpath(3) and the sticky bit. */
#define _XOPEN_SOURCE 700 /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c) */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

/* How many bytes of a program are searched for its interpreter and its summary. */
enum { HEAD_SIZE = 1024, INTERPRETERS_MAX = 5 };

static char directory[PATH_MAX]; /* resolved; empty without -d */
static uid_t directory_owner;

static bool is_inside(const char *path) {
	size_t length = strlen(directory);

	/* Only the root directory ends with a slash. */
	return length == 1 || (strncmp(path, directory, length) == 0 && path[length] == '/');
}

/*
 * Checks that only trusted users can change one component of a path. A directory outside of the -d directory may
 * be writable if it has the sticky bit: there nobody can replace the files of others. Returns -1, after a message, if
 * others can change it.
 */
static int check_component(const char *path) {
	struct stat status;
	bool is_protected;

	if (lstat(path, &status) == -1) {
		screen_error("%s: %s", path, strerror(errno));
		return -1;
	}
	is_protected = S_ISLNK(status.st_mode) ||
		       ((status.st_mode & S_ISVTX) != 0 && !is_inside(path) && strcmp(path, directory) != 0);
	if (status.st_uid != 0 && status.st_uid != geteuid() && status.st_uid != directory_owner)
		screen_error("%s belongs to another user", path);
	else if (!is_protected && (status.st_mode & S_IWOTH) != 0) screen_error("%s is writable by others", path);
	else if (!is_protected && (status.st_mode & S_IWGRP) != 0) screen_error("%s is writable by its group", path);
	else return 0;
	return -1;
}

/* Checks each component of a resolved path. Returns -1, after a message, if others can change one. */
static int check_path(const char *path) {
	char component[PATH_MAX];
	char *slash;

	if (check_component("/") == -1) return -1;
	snprintf(component, sizeof component, "%s", path);
	for (slash = strchr(component + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (check_component(component) == -1) return -1;
		*slash = '/';
	}
	return check_component(component);
}

/* Sets the -d directory. Returns -1, after a message, if there is no such directory or others can change it. */
int directory_open(const char *name) {
	struct stat status;

	if (realpath(name, directory) == NULL || stat(directory, &status) == -1) {
		screen_error("-d %s: %s", name, strerror(errno));
		return -1;
	}
	if (!S_ISDIR(status.st_mode)) {
		screen_error("-d %s: not a directory", name);
		return -1;
	}
	if (access(directory, X_OK) == -1) {
		screen_error("-d %s: %s", name, strerror(errno));
		return -1;
	}
	directory_owner = status.st_uid;
	return check_path(directory);
}

/* Returns whether a text can be a program's name: plain characters, not hidden, and not like an option. */
static bool is_name(struct text text) {
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789_-.";
	size_t i;

	if (text.length == 0 || text.length > DIRECTORY_NAME_MAX || text.start[0] == '.' || text.start[0] == '-')
		return false;
	for (i = 0; i < text.length; i++) {
		if (memchr(characters, text.start[i], sizeof characters - 1) == NULL) return false;
	}
	return true;
}

/* Shows why a path cannot be resolved, unless there is no such file at all. Takes the errno value of realpath(3). */
static void explain_unresolved(const char *path, int error) {
	struct stat status;

	if (lstat(path, &status) == 0) screen_error("%s: cannot follow the link: %s", path, strerror(error));
	else if (errno != ENOENT) screen_error("%s: %s", path, strerror(errno));
}

/* Returns the first bytes of a program, with a NUL byte after them, valid until the next call. */
static char *read_head(const char *path) {
	static char head[HEAD_SIZE + 1];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t length = fd == -1 ? 0 : read(fd, head, sizeof head - 1);

	if (fd != -1) close(fd);
	head[length > 0 ? length : 0] = '\0';
	return head;
}

/* Returns the interpreter that a script names in its first line, valid until the next call; NULL if it is no script. */
static char *find_interpreter(const char *path) {
	char *interpreter = read_head(path);

	if (strncmp(interpreter, "#!", 2) != 0) return NULL;
	interpreter += 2;
	interpreter += strspn(interpreter, " \t");
	interpreter[strcspn(interpreter, " \t\n")] = '\0';
	return interpreter;
}

/* Checks the path of a program, and of its interpreter, which may have one, too. Returns -1, after a message, if others can change one. */
static int check_program(const char *path) {
	static char resolved[PATH_MAX];
	const char *interpreter;
	int depth;

	for (depth = 0; depth < INTERPRETERS_MAX; depth++) {
		if (check_path(path) == -1) return -1;
		interpreter = find_interpreter(path);
		if (interpreter == NULL || realpath(interpreter, resolved) == NULL) return 0;
		if (check_path(interpreter) == -1) return -1; /* as it is named, links and all */
		path = resolved;
	}
	return 0;
}

/*
 * Returns the program with this name, valid until the next call; NULL if there is none. A file that is no program, that
 * others can change or that is outside the directory is none, and a message tells why.
 */
const struct program_file *directory_program(struct text name) {
	static char path[PATH_MAX], resolved[PATH_MAX];
	static const struct program_file file = {.path = resolved, .name = path};
	struct stat status;
	int length;

	if (directory[0] == '\0' || !is_name(name)) return NULL;
	length = snprintf(path, sizeof path, "%s/%.*s", directory, (int)name.length, name.start);
	if ((size_t)length >= sizeof path) screen_error("%s: %s", path, strerror(ENAMETOOLONG));
	else if (realpath(path, resolved) == NULL || stat(resolved, &status) == -1) explain_unresolved(path, errno);
	else if (!is_inside(resolved)) screen_error("%s leads out of %s", path, directory);
	else if (!S_ISREG(status.st_mode)) screen_error("%s is not a regular file", path);
	else if (access(resolved, X_OK) == -1) screen_error("%s is not executable by this user", path);
	else if (check_program(resolved) == 0) return &file;
	return NULL;
}

/* Shows why exec(3) of a program has failed with this errno value; the reason may be the interpreter of a script. */
void directory_explain(const struct program_file *file, int error) {
	const char *interpreter = find_interpreter(file->path);
	bool is_script = interpreter != NULL;

	if (error == ENOEXEC && (!is_script || interpreter[0] == '\0'))
		screen_error("%s: %s; has it a #! line?", file->name, strerror(error));
	else if (is_script && access(interpreter, F_OK) == -1 && errno == ENOENT)
		screen_error("%s: its interpreter '%s' is missing", file->name, interpreter);
	else if (is_script && error != E2BIG)
		screen_error("%s: its interpreter '%s': %s", file->name, interpreter, strerror(error));
	else if (!is_script && error == ENOENT)
		screen_error("%s: %s; is its dynamic loader missing?", file->name, strerror(error));
	else screen_error("%s: %s", file->name, strerror(error));
}

/* Returns the text after `# summary:` in the first lines of a program, valid until the next call; empty if none. */
struct text directory_summary(const struct program_file *file) {
	static const char mark[] = "# summary:";
	struct text summary = {"", 0};
	char *line, *head = read_head(file->path);

	for (line = head; strncmp(line, mark, sizeof mark - 1) != 0; line++) {
		line = strchr(line, '\n');
		if (line == NULL) return summary;
	}
	summary.start = line + sizeof mark - 1;
	summary.start += strspn(summary.start, " \t");
	summary.length = strcspn(summary.start, "\r\n");
	return summary;
}

static int has_name(const struct dirent *entry) { return is_name(text_from_string(entry->d_name)); }

/* Calls visit for each program, sorted by name. */
void directory_each(void (*visit)(struct text name, struct text summary)) {
	struct dirent **entries;
	int count, i;

	if (directory[0] == '\0') return;
	count = scandir(directory, &entries, has_name, alphasort);
	if (count == -1) {
		screen_error("%s: %s", directory, strerror(errno));
		return;
	}
	for (i = 0; i < count; i++) {
		struct text name = text_from_string(entries[i]->d_name);
		const struct program_file *file = directory_program(name);

		if (file != NULL) visit(name, directory_summary(file));
		free(entries[i]);
	}
	free(entries);
}
