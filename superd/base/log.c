/*
 * log: superd's own log, which nothing else writes. Lines go to stderr, each after `superd: `, or to syslog. Nothing that
 * a client can choose reaches a line unescaped. A log that nobody reads never blocks the loop: lines that cannot be written
 * are counted, and the count is logged later.
 */
#include "base.h"

#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <syslog.h>

enum { LINE_MAX_LENGTH = 1000, PLACE_MAX_LENGTH = 320 };

static struct {
	const struct named_value *facility; /* syslog's; NULL: the log goes to `fd` */
	int fd;
	ssize_t (*write)(int fd, const void *bytes, size_t length); /* without waiting */
	bool to_terminal, is_bare;
	enum log_level least;
	unsigned long lost;
} own_log = {.fd = STDERR_FILENO, .write = write, .least = LEVEL_NOTICE};

/* Writes to a pipe or a terminal, whose descriptor other processes share and expect to block. */
static ssize_t write_polled(int fd, const void *bytes, size_t length) {
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	return poll(&writable, 1, 0) == 1 ? write(fd, bytes, length) : -1;
}

/*
 * Opens the log: to syslog if there is a facility, else to stderr. Lines of `least` and above are logged. Called once,
 * before any other descriptor is opened. While a configuration is only checked, lines are bare (`file:line: message`), as
 * a compiler's are.
 */
void log_open(enum log_level least, const struct named_value *facility, bool is_check) {
	struct stat about;
	own_log.least = least;
	own_log.facility = facility;
	own_log.is_bare = is_check;
	if (facility != NULL || fstat(STDERR_FILENO, &about) < 0 || S_ISREG(about.st_mode)) return;
	own_log.to_terminal = isatty(STDERR_FILENO) == 1;
	int reopened = S_ISSOCK(about.st_mode) ? -1 : sys_reopen_nonblocking(STDERR_FILENO);
	if (reopened >= 0)
		own_log.fd = reopened;
	else
		own_log.write = S_ISSOCK(about.st_mode) ? sys_send_nonblocking : write_polled;
}

/* In a child that closes all but descriptor 2: what it logs goes there, or to a new connection to syslog. */
void log_in_child(void) {
	syslog_close();
	own_log.fd = STDERR_FILENO;
	own_log.write = write_polled;
}

/* Copies `text` with all that cannot be shown as \xHH, so that a line stays one line. Returns the length. */
size_t log_escape(char *line, size_t size, const char *text) {
	size_t length = 0;
	while (*text != '\0' && length + 5 < size) {
		size_t shown = text_shown_length(text);
		memcpy(line + length, text, shown);
		length += shown;
		text += shown;
		if (shown == 0) length += (size_t)snprintf(line + length, 5, "\\x%02x", (unsigned char)*text++);
	}
	line[length] = '\0';
	return length;
}

/* Sends a line, which has room for one byte more. Returns 0, or -1 if it is lost. */
static int send_line(int priority, char *line) {
	size_t length = strlen(line);
	if (own_log.facility != NULL) return syslog_write((int)own_log.facility->value | priority, line);
	line[length++] = '\n';
	return own_log.write(own_log.fd, line, length) == (ssize_t)length ? 0 : -1;
}

static void write_line(int priority, const char *text) {
	char line[LINE_MAX_LENGTH];
	const char *name = own_log.is_bare || own_log.facility != NULL ? "" : "superd: ";
	if (own_log.lost > 0) {
		snprintf(line, sizeof line, "%swarning: %lu log lines lost", name, own_log.lost);
		if (send_line(LOG_WARNING, line) == 0) own_log.lost = 0;
	}
	size_t length = (size_t)snprintf(line, sizeof line, "%s", name);
	log_escape(line + length, sizeof line - length - 1, text);
	if (send_line(priority, line) < 0) own_log.lost++;
}

/* Whether lines of that level are logged. */
bool log_is_enabled(enum log_level level) {
	return level <= own_log.least;
}

/* Whether the log is a terminal. */
bool log_is_terminal(void) {
	return own_log.to_terminal;
}

/* Logs a line if its level is enabled; after its `location`, if it is about the configuration (else NULL). */
void log_write(enum log_level level, const struct location *location, const char *format, ...) {
	static const int priorities[] = {[LEVEL_ERROR] = LOG_ERR,
	    [LEVEL_WARNING] = LOG_WARNING,
	    [LEVEL_ALWAYS] = LOG_NOTICE,
	    [LEVEL_NOTICE] = LOG_INFO,
	    [LEVEL_DETAIL] = LOG_DEBUG};
	char text[LINE_MAX_LENGTH], place[PLACE_MAX_LENGTH] = "", line[LINE_MAX_LENGTH + 2 * PLACE_MAX_LENGTH];
	if (!log_is_enabled(level)) return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	const char *kind = level == LEVEL_WARNING ? "warning: " : "";
	if (location != NULL && location->line > 0)
		snprintf(place, sizeof place, "%.300s:%d: ", location->file, location->line);
	const char *first = own_log.is_bare ? place : kind, *second = own_log.is_bare ? kind : place;
	snprintf(line, sizeof line, "%s%s%s", first, second, text);
	write_line(priorities[level], line);
	size_t length = own_log.to_terminal && location != NULL ? quote_line(line, sizeof line, location, text) : 0;
	if (length > 0) own_log.write(own_log.fd, line, length);
}
