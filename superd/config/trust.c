/* SPDX-License-Identifier: ISC */
/*
 * trust: what a superd that is root reads or executes, and another user could change: a warning for each file and directory.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { STICKY = 01000, MOST_INTERPRETERS = 5 }; /* S_ISVTX, which not every POSIX has; the kernel's limit */

static void warn(const char *path, const struct stat *about, const struct location *location) {
	log_warning_at(location, "%.300s: users other than root can change it (owner %lu, group %lu, mode %04o)", path,
	    (unsigned long)about->st_uid, (unsigned long)about->st_gid, (unsigned)about->st_mode & 07777);
}

/*
 * Warns of each part of the path that users other than root, and `user`, which the program runs as, can change. In a sticky
 * directory, such as /tmp, others can add files, but each file that superd uses is looked at itself. The directories of many
 * services are looked at once.
 */
void trust_check(struct config *config, const char *path, uid_t user, const struct location *location) {
	static const char table;
	struct stat about;
	struct arena *loading = config->loading;
	static char here[PATH_MAX], target[PATH_MAX]; /* not on the stack: paths can have thousands of parts */
	bool is_relative = path[0] != '/';
	if (geteuid() != 0 || (is_relative && getcwd(here, sizeof here) == NULL)) return;
	if (is_relative) path = mem_print(loading, "%s/%s", here, path);
	const void **known = lookup_slot(config, &table, mem_print(loading, "%lu %s", (unsigned long)user, path));
	if (*known != NULL || lstat(path, &about) < 0) return;
	*known = path; /* now: links can form a circle */
	const void **warned = lookup_slot(config, &table, path);
	size_t length = (size_t)(strrchr(path, '/') - path);
	const char *folder = length == 0 ? "/" : mem_print(loading, "%.*s", (int)length, path);
	trust_check(config, folder, user, location);
	bool is_link = S_ISLNK(about.st_mode), is_sticky = S_ISDIR(about.st_mode) && about.st_mode & STICKY;
	bool is_groups = about.st_mode & S_IWGRP && (about.st_gid != 0 || sys_has_acl(path));
	bool is_writable = (about.st_mode & S_IWOTH || is_groups) && !is_link && !is_sticky;
	bool is_others = about.st_uid != 0 && about.st_uid != user;
	if ((is_others || is_writable) && *warned == NULL) {
		warn(path, &about, location);
		*warned = path;
	}
	ssize_t size = is_link && stat(path, &about) == 0 ? readlink(path, target, sizeof target) : 0;
	if (size <= 0 || size == sizeof target) return;
	bool is_absolute = target[0] == '/';
	trust_check(
	    config, mem_print(loading, "%s/%.*s", is_absolute ? "" : folder, (int)size, target), user, location);
}

/* The same for a directory whose files superd reads: there, others must not even add one. */
void trust_check_folder(struct config *config, const char *path, const struct location *location) {
	struct stat about;
	trust_check(config, path, 0, location);
	if (geteuid() != 0 || stat(path, &about) < 0 || !(about.st_mode & STICKY)) return;
	if (about.st_mode & S_IWOTH || (about.st_mode & S_IWGRP && about.st_gid != 0)) warn(path, &about, location);
}

/* The interpreter that a script names in its first line. Returns `name`, or NULL if the file is none, or cannot be read. */
const char *trust_find_interpreter(const char *path, char name[INTERPRETER_SIZE]) {
	char line[INTERPRETER_SIZE] = "";
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
	if (fd >= 0) close(fd);
	if (length <= 2 || strncmp(line, "#!", 2) != 0) return NULL;
	const char *first = line + 2 + strspn(line + 2, " \t");
	snprintf(name, INTERPRETER_SIZE, "%.*s", (int)strcspn(first, " \t\n"), first);
	return name;
}

/* The same for a program that is executed as that user, and for its interpreter, all below `root`; an interpreter may have one. */
void trust_check_program(
    struct config *config, const char *root, const char *program, uid_t user, const struct location *location) {
	char name[INTERPRETER_SIZE];
	for (int depth = 0; program != NULL && geteuid() == 0 && depth < MOST_INTERPRETERS; depth++) {
		const char *path = mem_print(config->loading, "%s%s", root, program);
		trust_check(config, path, user, location);
		program = trust_find_interpreter(path, name);
	}
}
