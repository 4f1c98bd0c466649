/* SPDX-License-Identifier: ISC */
/*
 * log_service: the lines of a service's log about a connection, in xinetd's words: START, EXIT, FAIL.
 */
#include "connection.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { PART = 400, STICKY = 01000, MOST_LINKS = 40 };

/*
 * A file of log_type, opened once for all services that name it. Past the soft limit there is a warning, past the hard limit
 * nothing is written.
 */
struct log_file {
	struct log_file *next;
	int fd; /* -1: it is not open */
	int64_t size;
	bool soft_logged, hard_logged, lost_logged;
	bool is_cut; /* its last line has no end, since the disk was full */
	char path[];
};

static struct log_file *files;

/* Closes the files. Each is opened again for its next line (HUP, after a rotation). */
void log_files_reopen(void) {
	for (struct log_file *file = files; file != NULL; file = file->next) {
		if (file->fd >= 0) close(file->fd);
		file->fd = -1;
		file->soft_logged = file->hard_logged = file->is_cut = false;
	}
}

static void read_size(struct log_file *file) {
	struct stat about;
	file->size = fstat(file->fd, &about) == 0 && S_ISREG(about.st_mode) ? (int64_t)about.st_size : 0;
}

/*
 * Opens a file for its lines, at a path from the folder `from`. A link is followed only if nobody but superd's user and root can
 * have put it there, or can put another there: one of others could name a file of root's. Returns the descriptor, or -1 and errno.
 */
static int open_safely(int from, const char *path, int links) {
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
	char text[PATH_MAX], target[PATH_MAX] = "";
	struct stat link, about, process;
	int fd = openat(from, path, flags, 0640);
	if (fd >= 0 || errno != ELOOP || links == MOST_LINKS) return fd;
	const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	snprintf(text, sizeof text, "%.*s", (int)(name - path), path);
	int folder = sys_open_folder(from, *text != '\0' ? text : ".");
	if (folder < 0) return -1;
	if (fstat(folder, &about) == 0 && fstatat(folder, name, &link, AT_SYMLINK_NOFOLLOW) == 0) {
		bool is_own =
		    (link.st_uid == 0 || link.st_uid == geteuid()) && (about.st_uid == 0 || about.st_uid == geteuid());
		bool may_others_rename = (about.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (about.st_mode & STICKY) == 0;
		bool is_descriptor = stat("/proc/self/fd", &process) == 0 && process.st_dev == about.st_dev;
		errno = ELOOP;
		if (is_own && is_descriptor)
			fd = openat(folder, name, flags & ~O_NOFOLLOW, 0640); /* as /dev/stdout is */
		else if (is_own && !may_others_rename && readlinkat(folder, name, target, sizeof target - 1) > 0)
			fd = open_safely(folder, target, links + 1);
	}
	close(folder);
	return fd;
}

/* The file of that path, open. Returns NULL and errno on failure. */
static struct log_file *open_file(const char *path) {
	struct log_file *file = files;
	size_t size = strlen(path) + 1;
	while (file != NULL && strcmp(file->path, path) != 0) file = file->next;
	if (file == NULL) {
		if ((file = calloc(1, sizeof *file + size)) == NULL) return NULL;
		memcpy(file->path, path, size);
		file->fd = -1;
		file->next = files;
		files = file;
	}
	if (file->fd >= 0) return file;
	file->fd = open_safely(AT_FDCWD, path, 0);
	if (file->fd < 0) return NULL;
	read_size(file);
	return file;
}

/* How far past `soft` a file may grow where no hard limit is set: a hundredth, within 5K and 20K (xinetd.conf(5)). */
static int64_t hard_extra(int64_t soft) {
	const int64_t least = 5 * INT64_C(1024), most = 20 * INT64_C(1024), extra = soft / 100;
	return extra < least ? least : extra > most ? most : extra;
}

/* Opens the file of a redirection's TRAFFIC line, while the child still has the right to. */
void log_file_prepare(const struct service *service) {
	if (service->log_type.file != NULL && service->log_on_success & LOG_ITEM_TRAFFIC)
		open_file(service->log_type.file);
}

static void warn_once(bool *logged, const struct log_file *file, const char *what) {
	if (!*logged) log_warning("%s: %s", file->path, what);
	*logged = true;
}

/* Writes the line to log_type's file, with xinetd's time stamp before it. */
static void write_file(const struct log_type *type, const char *text) {
	char line[PART + 40] = "\n";
	struct tm local;
	time_t now = time(NULL);
	struct log_file *file = open_file(type->file);
	if (file == NULL) {
		const char *reason = errno == ELOOP ? "a link that another user can put there" : strerror(errno);
		log_warning("%s: %s: %s", type->file, reason, text);
		return;
	}
	int64_t hard = type->hard > 0 ? type->hard : type->soft + hard_extra(type->soft);
	size_t length = file->is_cut;
	length += strftime(line + length, 40, "%y/%m/%d@%H:%M:%S: ", localtime_r(&now, &local));
	length += log_escape(line + length, PART, text);
	line[length++] = '\n';
	if (type->soft > 0 && file->size + (int64_t)length > hard) read_size(file); /* it may have been truncated */
	if (type->soft > 0 && file->size + (int64_t)length > hard) {
		warn_once(&file->hard_logged, file, "the hard limit is reached; nothing more is written to it");
		return;
	}
	ssize_t written = write(file->fd, line, length);
	if (written < 0) {
		warn_once(&file->lost_logged, file, strerror(errno));
		return;
	}
	file->is_cut = written < (ssize_t)length;
	if (file->is_cut) log_warning("%s: a line could not be written whole", file->path);
	file->size += written;
	file->lost_logged = file->hard_logged = false;
	if (type->soft > 0 && file->size > type->soft) warn_once(&file->soft_logged, file, "the soft limit is reached");
}

/* Writes a line to the service's log_type, or else to superd's own log, where -q skips those of a success. */
static void PRINTF_LIKE(3, 4) write_line(const struct service *service, bool is_success, const char *format, ...) {
	char text[PART];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	const struct log_type *type = &service->log_type;
	if (type->file != NULL) write_file(type, text);
	else if (type->set) log_to_syslog(type->priority, text);
	else log_write(is_success ? LEVEL_NOTICE : LEVEL_ALWAYS, NULL, "%s", text);
}

/* Whether a line about a success is written: with -q, superd's own log has none. */
static bool is_logged(const struct service *service, struct source source, long items) {
	return (service->log_on_success & items) != 0 && (service->log_type.set || log_is_enabled(LEVEL_NOTICE)) &&
	       !addr_list_matches(&service->no_log_from, source);
}

/* START: ID pid=N from=ADDRESS port=N, as log_on_success has it. */
void log_start(const struct service *service, const struct client *client, pid_t pid) {
	char peer[ADDR_TEXT], line[PART] = "";
	long items = service->log_on_success;
	bool has_port = client->peer.length > 0 && client->peer.at.any.sa_family != AF_UNIX;
	if (!is_logged(service, client->source, ~0L)) return;
	if (items & LOG_ITEM_PID) text_add(line, PART, " pid=%ld", (long)pid);
	if (items & LOG_ITEM_HOST) text_add(line, PART, " from=%s", addr_format_source(client->source, peer));
	if (items & LOG_ITEM_HOST && has_port) text_add(line, PART, " port=%u", addr_port(&client->peer));
	write_line(service, true, "START: %.100s%s", service->id, line);
}

/* Why the system says of a program that is there that it is not: what its file names is missing. Returns `text`. */
static const char *find_missing(const struct service *service, char *text, size_t size) {
	char path[PATH_MAX], name[INTERPRETER_SIZE];
	snprintf(path, sizeof path, "%s%s", service->chroot != NULL ? service->chroot : "", service->path);
	if (trust_find_interpreter(path, name) != NULL) snprintf(text, size, "its interpreter '%s' is missing", name);
	else
		snprintf(text, size, "%s%s", strerror(ENOENT),
		    access(path, R_OK) == 0 ? "; its dynamic linker is missing" : "");
	return text;
}

/* That a child could not start its program, at which step, and why. */
void log_start_failure(const struct service *service, const struct task_failure *failure) {
	char missing[PART];
	bool is_exec = strcmp(failure->step, "exec") == 0;
	const char *reason = strerror(failure->error_number);
	if (is_exec && failure->error_number == ENOENT) reason = find_missing(service, missing, sizeof missing);
	log_error("%s: %s%s%s: %s%s", service->id, failure->step, is_exec ? " " : "", is_exec ? service->path : "",
	    reason, failure->error_number == ENOEXEC ? "; has it a #! line?" : "");
}

/* EXIT: ID status=N pid=N duration=N(sec), or signal=N; and time_limit, if that has ended it. */
void log_exit(const struct service *service, const struct child *child, int status) {
	char line[PART] = "";
	long items = service->log_on_success, seconds = (long)((loop_now() - child->began) / 1000);
	if (!is_logged(service, child->source, LOG_ITEM_EXIT | LOG_ITEM_DURATION)) return;
	bool is_signal = WIFSIGNALED(status);
	if (items & LOG_ITEM_EXIT)
		text_add(line, PART, is_signal ? " signal=%d" : " status=%d",
		    is_signal ? WTERMSIG(status) : WEXITSTATUS(status));
	if (items & LOG_ITEM_PID) text_add(line, PART, " pid=%ld", (long)child->pid);
	if (items & LOG_ITEM_DURATION) text_add(line, PART, " duration=%ld(sec)", seconds);
	if (child_hit_time_limit(child)) text_add(line, PART, " time_limit");
	write_line(service, true, "EXIT: %.100s%s", service->id, line);
}

/* FAIL: ID REASON from=ADDRESS; nothing stands after from=. */
void log_fail(const struct service *service, const struct client *client, const char *reason) {
	char peer[ADDR_TEXT];
	if (service->log_on_failure == 0) return;
	bool has_host = service->log_on_failure & LOG_ITEM_HOST;
	write_line(service, false, "FAIL: %.100s %s%s%s", service->id, reason, has_host ? " from=" : "",
	    has_host ? addr_format_source(client->source, peer) : "");
}

/* What a redirection passed on in each direction, in bytes. */
void log_traffic(const struct service *service, unsigned long long in, unsigned long long out) {
	if (service->log_on_success & LOG_ITEM_TRAFFIC)
		write_line(service, true, "TRAFFIC: %.100s in=%llu(bytes) out=%llu(bytes)", service->id, in, out);
}

/* The end of a run of refusals, of which only the first was logged; `span` in milliseconds. */
void log_refusal_run(const struct service *service, const char *reason, unsigned long refused, int64_t span) {
	if (service->log_on_failure == 0) return;
	write_line(service, false, "%s ended: %.100s refused=%lu duration=%ld(sec)", reason, service->id, refused,
	    (long)(span / 1000));
}
