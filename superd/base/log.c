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

enum { LINE_MAX_LENGTH = 1000 };

static struct {
	bool to_syslog, to_terminal, is_bare, is_muted;
	enum log_level least;
	int facility;
	struct log_sink sink;
	unsigned long lost;
} own_log = {.least = LEVEL_NOTICE, .sink.fd = STDERR_FILENO};

/*
 * Opens a sink on a descriptor: a file, pipe, terminal or socket that is written to without blocking the loop. Others may
 * share the descriptor and not expect O_NONBLOCK on it; where the system can, its file is opened once more instead.
 */
void sink_open(struct log_sink *sink, int fd) {
	struct stat about;
	*sink = (struct log_sink){.fd = fd, .kind = SINK_PLAIN};
	if (fstat(fd, &about) < 0 || S_ISREG(about.st_mode)) return;
	sink->kind = S_ISSOCK(about.st_mode) ? SINK_SOCKET : SINK_POLLED;
	int reopened = sink->kind == SINK_SOCKET ? -1 : sys_reopen_nonblocking(fd);
	if (reopened >= 0) *sink = (struct log_sink){.fd = reopened, .kind = SINK_PLAIN};
}

/* Writes a whole line, or nothing where that would block. Returns 0, or -1 if it could not. */
int sink_write(const struct log_sink *sink, const char *line, size_t length) {
	struct pollfd writable = {.fd = sink->fd, .events = POLLOUT};
	if (sink->kind == SINK_POLLED && poll(&writable, 1, 0) != 1) return -1;
	ssize_t written =
	    sink->kind == SINK_SOCKET ? sys_send_nonblocking(sink->fd, line, length) : write(sink->fd, line, length);
	return written == (ssize_t)length ? 0 : -1;
}

/*
 * Opens the log: to syslog if there is a facility, else to stderr. Lines of `least` and above are logged. Called once,
 * before any other descriptor is opened. While a configuration is only checked, lines are bare (`file:line: message`), as
 * a compiler's are.
 */
void log_open(enum log_level least, const struct named_value *facility, bool is_check) {
	own_log.is_bare = is_check;
	own_log.least = least;
	if (facility != NULL) {
		own_log.facility = (int)facility->value;
		own_log.to_syslog = true;
	} else {
		own_log.to_terminal = isatty(STDERR_FILENO) == 1;
		sink_open(&own_log.sink, STDERR_FILENO);
	}
}

/* In a child that closes all but descriptor 2: what it logs goes there, or to a new connection to syslog. */
void log_in_child(void) {
	syslog_close();
	own_log.sink = (struct log_sink){.fd = STDERR_FILENO, .kind = SINK_POLLED};
}

/* Copies `text` with every control byte as \xHH, so that a line stays one line. Returns the length. */
size_t log_escape(char *line, size_t size, const char *text) {
	size_t length = 0;
	for (; *text != '\0' && length + 5 < size; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte >= ' ' && byte != 0x7f)
			line[length++] = *text;
		else
			length += (size_t)snprintf(line + length, size - length, "\\x%02x", byte);
	}
	line[length] = '\0';
	return length;
}

/* Sends a line, which has room for one byte more. Returns 0, or -1 if it is lost. */
static int send_line(int priority, char *line) {
	size_t length = strlen(line);
	if (own_log.to_syslog) return syslog_write(own_log.facility | priority, line);
	line[length++] = '\n';
	return sink_write(&own_log.sink, line, length);
}

static void write_line(int priority, const char *prefix, const char *text) {
	char line[LINE_MAX_LENGTH];
	const char *name = own_log.is_bare || own_log.to_syslog ? "" : "superd: ";
	if (own_log.lost > 0) {
		snprintf(line, sizeof line, "%swarning: %lu log lines lost", name, own_log.lost);
		if (send_line(LOG_WARNING, line) == 0) own_log.lost = 0;
	}
	size_t length = (size_t)snprintf(line, sizeof line, "%s%s", name, prefix);
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

/* Skips warnings about the configuration, while `defaults` are applied once more. */
void log_mute_warnings(bool mute) {
	own_log.is_muted = mute;
}

/* Logs a line if its level is enabled; after its `location`, if it is about the configuration (else NULL). */
void log_write(enum log_level level, const struct location *location, const char *format, ...) {
	static const int priorities[] = {[LEVEL_ERROR] = LOG_ERR,
	    [LEVEL_WARNING] = LOG_WARNING,
	    [LEVEL_ALWAYS] = LOG_NOTICE,
	    [LEVEL_NOTICE] = LOG_INFO,
	    [LEVEL_DETAIL] = LOG_DEBUG};
	char text[LINE_MAX_LENGTH], line[LINE_MAX_LENGTH];
	if (!log_is_enabled(level)) return;
	if (level == LEVEL_WARNING && location != NULL && own_log.is_muted) return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	const char *kind = level == LEVEL_WARNING ? "warning: " : "";
	if (location == NULL) {
		write_line(priorities[level], kind, text);
		return;
	}
	const char *before = own_log.is_bare ? "" : kind, *after = own_log.is_bare ? kind : "";
	if (location->line > 0)
		snprintf(line, sizeof line, "%.300s:%d: %s%.600s", location->file, location->line, after, text);
	else
		snprintf(line, sizeof line, "%s%.900s", after, text);
	write_line(priorities[level], before, line);
	size_t length = own_log.to_terminal ? quote_line(line, sizeof line, location, text) : 0;
	if (length > 0) sink_write(&own_log.sink, line, length);
}
