/* SPDX-License-Identifier: ISC */
/*
 * pid_file: the file that holds superd's process id (-P). Its directory may belong to another user, so a symbolic link, or
 * a file with a second name, is not written to.
 */
#include "superd.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char *own_path;

static int own_fd = -1;

static bool is_plain(int fd) {
	struct stat about;
	return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1;
}

/* Opens the file before anything listens, so that an error ends the start. NULL: there is none. Returns 0, or -1 and an error. */
int pid_file_open(const char *path, struct error *error) {
	if (path == NULL) return 0;
	own_path = path;
	own_fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
	if (own_fd >= 0 && is_plain(own_fd)) return 0;
	error_set(error, "-P %s: %s", path, own_fd >= 0 ? "not a plain file with one name" : strerror(errno));
	if (own_fd >= 0) close(own_fd);
	own_fd = -1;
	return -1;
}

void pid_file_write(void) {
	if (own_fd < 0) return;
	if (ftruncate(own_fd, 0) < 0 || dprintf(own_fd, "%ld\n", (long)getpid()) < 0)
		log_warning("-P %s: %s", own_path, strerror(errno));
	close(own_fd);
	own_fd = -1;
}

/* Sets the file's time, by which a script sees that a reload is over. */
void pid_file_touch(void) {
	if (own_path != NULL) utimensat(AT_FDCWD, own_path, NULL, AT_SYMLINK_NOFOLLOW);
}

/* Removes the file if it still holds this process's id, or if superd has opened but not written it, and it is empty. */
void pid_file_remove(void) {
	char text[24] = "";
	if (own_path == NULL) return;
	int fd = open(own_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0) close(fd);
	if (length == 0 ? own_fd >= 0 : length > 0 && strtol(text, NULL, 10) == (long)getpid()) unlink(own_path);
}
