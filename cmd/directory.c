/*
 * The -d directory, and which of its files are commands: the programs whose path nobody can change but
 * root, the user that cmd runs as, and the owner of the directory. Every component of a path is looked
 * at, from the root, each time; since none of them is in the hands of others, what was looked at is
 * what runs.
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

/* How many bytes of a program may hold its summary. */
enum { DIRECTORY_SUMMARY_WITHIN = 1024 };

LARGE char directory[PATH_MAX];      /* resolved; empty where there is none */
LARGE char directory_path[PATH_MAX]; /* of the program that was asked for last */
static uid_t directory_owner;

/* Why others could change a file or what is in a directory; NULL where they cannot. */
static const char *distrust(const struct stat *status, bool sticky_will_do) {
	bool others = (status->st_mode & S_IWOTH) != 0;
	bool group = (status->st_mode & S_IWGRP) != 0 && status->st_gid != 0;

	if (status->st_uid != 0 && status->st_uid != geteuid() && status->st_uid != directory_owner)
		return "belongs to another user";
	if ((others || group) && !(sticky_will_do && (status->st_mode & S_ISVTX) != 0))
		return others ? "is writable by others" : "is writable by its group";
	return NULL;
}

/* Looks at one component of a path. Returns -1, having said why, where it is not to be trusted. */
static int check_component(const char *path, bool is_parent) {
	struct stat status;
	const char *reason;

	if (lstat(path, &status) == -1) {
		screen_error("%s: %s", path, strerror(errno));
		return -1;
	}
	reason = distrust(&status, is_parent);
	if (reason != NULL) {
		screen_error("%s %s", path, reason);
		return -1;
	}
	return 0;
}

/*
 * Looks at each component of a resolved path, from the root down. Those above the directory may be
 * writable where they have the sticky bit: nobody can replace there what is another's.
 */
static int check_path(const char *path) {
	char component[PATH_MAX];
	char *slash;

	if (check_component("/", true) == -1) return -1;
	snprintf(component, sizeof component, "%s", path);
	for (slash = strchr(component + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (check_component(component, strlen(component) < strlen(directory)) == -1) return -1;
		*slash = '/';
	}
	return check_component(component, false);
}

/* Takes the directory that holds the commands. Returns -1, having said why, where it will not do. */
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
	directory_owner = status.st_uid;
	return check_path(directory);
}

/* A name is one path component of plain characters, neither hidden nor an option. */
static bool is_name(struct text name) {
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789_-.";
	size_t i;

	if (name.length == 0 || name.length > DIRECTORY_NAME_MAX || name.start[0] == '.' || name.start[0] == '-')
		return false;
	for (i = 0; i < name.length; i++) {
		if (memchr(characters, name.start[i], sizeof characters - 1) == NULL) return false;
	}
	return true;
}

static bool is_inside(const char *path) {
	size_t length = strlen(directory);

	/* The root directory ends with a slash of its own. */
	if (length == 1) return true;
	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/*
 * Returns the path of the program with this name, good until the next call; NULL where there is none.
 * One that others could have written is none, and the screen says so.
 */
const char *directory_program(struct text name) {
	char resolved[PATH_MAX];
	struct stat status;
	int length;

	if (directory[0] == '\0' || !is_name(name)) return NULL;
	length = snprintf(directory_path, sizeof directory_path, "%s/%.*s", directory, (int)name.length, name.start);
	if ((size_t)length >= sizeof directory_path || realpath(directory_path, resolved) == NULL) return NULL;
	if (!is_inside(resolved)) {
		screen_error("%s leads out of %s", directory_path, directory);
		return NULL;
	}
	if (stat(resolved, &status) == -1 || !S_ISREG(status.st_mode) || access(resolved, X_OK) == -1) return NULL;
	return check_path(resolved) == -1 ? NULL : directory_path;
}

/* Returns what stands after `# summary:` in the first lines of a program, or an empty text. */
struct text directory_summary(const char *path) {
	static const char mark[] = "# summary:";
	static char head[DIRECTORY_SUMMARY_WITHIN + 1];
	struct text summary = TEXT("");
	ssize_t length;
	char *line;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1) return summary;
	length = read(fd, head, sizeof head - 1);
	close(fd);
	if (length <= 0) return summary;
	head[length] = '\0';

	for (line = head; strncmp(line, mark, sizeof mark - 1) != 0; line++) {
		line = strchr(line, '\n');
		if (line == NULL) return summary;
	}
	summary.start = line + sizeof mark - 1;
	summary.start += strspn(summary.start, " \t");
	summary.length = strcspn(summary.start, "\r\n");
	return summary;
}

static int has_name(const struct dirent *entry) {
	return is_name(text_from_string(entry->d_name));
}

/* Calls visit for each program in turn, sorted by name. */
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
		const char *path = directory_program(name);

		if (path != NULL) visit(name, directory_summary(path));
		free(entries[i]);
	}
	free(entries);
}
