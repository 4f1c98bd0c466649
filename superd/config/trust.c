/* SPDX-License-Identifier: ISC */
/*
 * trust: what a superd that is root reads or executes, and another user could change: a warning for each file and directory.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { STICKY = 01000 }; /* S_ISVTX, which not every POSIX has */

/*
 * Warns of each part of the path that users other than root, and `user`, which the program runs as, can change. In a sticky
 * directory, such as /tmp, others can add files, but each file that superd uses is looked at itself. The directories of many
 * services are looked at once.
 */
void trust_check(struct config *config, const char *path, uid_t user, const struct location *location) {
	static const char table;
	struct stat about;
	struct arena *loading = config->loading;
	char here[PATH_MAX], target[PATH_MAX] = "";
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
		log_warning_at(location,
		    "%.300s: users other than root can change it (owner %lu, group %lu, mode %04o)", path,
		    (unsigned long)about.st_uid, (unsigned long)about.st_gid, (unsigned)about.st_mode & 07777);
		*warned = path;
	}
	if (!is_link || readlink(path, target, sizeof target - 1) <= 0) return;
	bool is_absolute = target[0] == '/';
	trust_check(config, mem_print(loading, "%s/%s", is_absolute ? "" : folder, target), user, location);
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

/* The same for a program that is executed as that user, and for its interpreter, both below `root`. */
void trust_check_program(
    struct config *config, const char *root, const char *program, uid_t user, const struct location *location) {
	char name[INTERPRETER_SIZE];
	const char *path = mem_print(config->loading, "%s%s", root, program);
	trust_check(config, path, user, location);
	if (geteuid() != 0 || trust_find_interpreter(path, name) == NULL || *name != '/') return;
	trust_check(config, mem_print(config->loading, "%s%s", root, name), user, location);
}
