/* SPDX-License-Identifier: ISC */
/*
 * log: superd's own log, which nothing else writes. Lines go to stderr, each after `superd: ` or, where that is the journal, its
 * priority (sd-daemon(3)); or to syslog, and to stderr while there is no syslog. Nothing that a client can choose reaches a
 * line unescaped. A log that nobody reads never blocks the loop: lines that cannot be written are counted, and the count is
 * logged later.
 */
#include "base.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

enum { LINE_MAX_LENGTH = 1000, PLACE_MAX_LENGTH = 320 };

_Static_assert(LEVEL_ERROR == LOG_ERR && LEVEL_DETAIL == LOG_DEBUG, "a level is a priority of syslog(3)");

/* authpriv and ftp are not in POSIX; their numbers are in RFC 5424. */
const struct named_value syslog_facilities[] = {{"auth", LOG_AUTH}, {"authpriv", 10 << 3}, {"cron", LOG_CRON},
    {"daemon", LOG_DAEMON}, {"ftp", 11 << 3}, {"kern", LOG_KERN}, {"lpr", LOG_LPR}, {"mail", LOG_MAIL},
    {"news", LOG_NEWS}, {"user", LOG_USER}, {"uucp", LOG_UUCP}, {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}, {NULL, 0}};

const struct named_value syslog_levels[] = {{"emerg", LOG_EMERG}, {"alert", LOG_ALERT}, {"crit", LOG_CRIT},
    {"err", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG},
    {NULL, 0}};

static struct {
	const struct named_value *facility; /* syslog's; NULL: the log goes to `fd` */
	int fd, syslog_fd;
	int ends[2];                                                /* a pipe of superd's own, for write_moved */
	ssize_t (*write)(int fd, const void *bytes, size_t length); /* without waiting */
	bool to_terminal, is_bare, is_journal, lacks_syslog, is_listening;
	bool is_stream; /* the system's log takes a stream */
	bool is_cut;    /* stderr's last line has no end: a full disk, for one, had room for a part of it */
	enum log_level least;
	unsigned long lost;
} own_log = {.fd = STDERR_FILENO, .syslog_fd = -1, .write = write, .least = LEVEL_NOTICE};

/*
 * Writes to a terminal or a pipe, whose descriptor other processes share and expect to block: while superd writes, it does not.
 * Even where poll(2) finds room, it may not be room for the whole line, or another may take it.
 */
static ssize_t write_polled(int fd, const void *bytes, size_t length) {
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	int flags = fcntl(fd, F_GETFL);
	if (poll(&writable, 1, 0) != 1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -1;
	ssize_t written = write(fd, bytes, length);
	int saved = errno;
	fcntl(fd, F_SETFL, flags);
	errno = saved;
	return written;
}

/*
 * Writes to a pipe that superd cannot reopen, since it is another user's. Between poll(2) and write(2) a program could fill it,
 * and superd would wait for ever: the line is moved there from a pipe of superd's own, where the system can do that.
 */
static ssize_t write_moved(int fd, const void *bytes, size_t length) {
	char rest[LINE_MAX_LENGTH + 16];
	if (write(own_log.ends[1], bytes, length) < 0) return -1;
	ssize_t moved = sys_move_nonblocking(own_log.ends[0], fd, length);
	bool can_move = moved >= 0 || errno == EAGAIN;
	while (moved != (ssize_t)length && read(own_log.ends[0], rest, sizeof rest) > 0)
		;
	return can_move ? moved : write_polled(fd, bytes, length);
}

/* Whether that is stderr as JOURNAL_STREAM names it. */
static bool is_journal(const struct stat *about) {
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)about->st_dev, (uintmax_t)about->st_ino);
	return stream != NULL && strcmp(stream, own) == 0;
}

/*
 * Opens the log: to syslog if there is a facility, else to stderr. Lines of `least` and above are logged. Called once,
 * before any other descriptor is opened. While a configuration is only checked, lines are bare (`file:line: message`), as
 * a compiler's are.
 */
void log_open(enum log_level least, const struct named_value *facility, bool is_check) {
	struct stat about;
	own_log.least = least;
	own_log.facility = is_check ? NULL : facility;
	own_log.is_bare = is_check;
	if (fstat(STDERR_FILENO, &about) < 0) return;
	own_log.is_journal = !is_check && is_journal(&about);
	if (S_ISREG(about.st_mode) && !(fcntl(STDERR_FILENO, F_GETFL) & O_APPEND)) return; /* the offset is shared */
	own_log.to_terminal = own_log.facility == NULL && isatty(STDERR_FILENO) == 1;
	int reopened = S_ISSOCK(about.st_mode) ? -1 : sys_reopen_nonblocking(STDERR_FILENO);
	if (reopened >= 0) own_log.fd = reopened;
	else if (S_ISSOCK(about.st_mode)) own_log.write = sys_send_nonblocking;
	else if (S_ISFIFO(about.st_mode) && sys_pipe(own_log.ends) == 0) own_log.write = write_moved;
	else own_log.write = write_polled;
}

/* superd listens: its errors go to the log alone from now on. */
void log_listening(void) { own_log.is_listening = true; }

/* Closes the connection to the system's log. The next line opens it again. */
static void close_syslog(void) {
	if (own_log.syslog_fd >= 0) close(own_log.syslog_fd);
	own_log.syslog_fd = -1;
}

/* Connects to the system's log, which may take datagrams or a stream. Returns 0, or -1 and errno. */
static int reopen_syslog(void) {
	struct endpoint log = {.at.un = {.sun_family = AF_UNIX, .sun_path = "/dev/log"}, .length = sizeof log.at.un};
	own_log.is_stream = false;
	do {
		close_syslog();
		own_log.syslog_fd = sys_socket(AF_UNIX, own_log.is_stream ? SOCK_STREAM : SOCK_DGRAM, 0);
		if (own_log.syslog_fd < 0) return -1;
		fcntl(own_log.syslog_fd, F_SETFL, O_NONBLOCK);
		if (connect(own_log.syslog_fd, &log.at.any, log.length) == 0) return 0;
		own_log.is_stream = !own_log.is_stream;
	} while (errno == EPROTOTYPE && own_log.is_stream);
	return -1;
}

/*
 * Writes a line, with its facility and level, as syslog(3) does, but without waiting: a log that nobody reads would stop all of
 * superd. Returns 0, or -1 if it is lost.
 */
static int write_syslog(int priority, const char *text) {
	char line[LINE_MAX_LENGTH + 200], when[32];
	time_t now = time(NULL);
	struct tm local;
	strftime(when, sizeof when, "%b %e %H:%M:%S", localtime_r(&now, &local));
	size_t size =
	    (size_t)snprintf(line, sizeof line, "<%d>%s superd[%ld]: %s", priority, when, (long)getpid(), text);
	bool is_open = own_log.syslog_fd >= 0; /* in a stream, the NUL byte ends a line */
	if (is_open && sys_send_nonblocking(own_log.syslog_fd, line, size + own_log.is_stream) >= 0) return 0;
	if (is_open && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return -1;
	if (reopen_syslog() < 0) return -1;
	return sys_send_nonblocking(own_log.syslog_fd, line, size + own_log.is_stream) < 0 ? -1 : 0;
}

/* In a child that closes all but descriptor 2: what it logs goes there, or to a new connection to syslog. */
void log_in_child(void) {
	close_syslog();
	own_log.fd = STDERR_FILENO;
	own_log.write = write_polled;
}

/*
 * The length of the character at `text`, if it can be shown as it is: valid UTF-8 (RFC 3629), no control character, and no
 * mark that changes the direction of what follows. Else 0.
 */
static size_t shown_length(const char *text) {
	static const uint32_t lowest[] = {[1] = ' ', [2] = 0xa0, [3] = 0x800, [4] = 0x10000};
	static const uint32_t hidden[][2] = {{0x7f, 0x7f}, {0x61c, 0x61c}, {0x200e, 0x200f}, {0x202a, 0x202e},
	    {0x2066, 0x2069}, {0xd800, 0xdfff}, {0x110000, UINT32_MAX}};
	unsigned char first = (unsigned char)*text;
	size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t code = length == 1 ? first : first - (0xff00u >> length & 0xff);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	for (size_t i = 0; i < LENGTH(hidden); i++)
		if (code >= hidden[i][0] && code <= hidden[i][1]) return 0;
	return code >= lowest[length] ? length : 0;
}

/* Copies `text` with all that cannot be shown as \xHH, so that a line stays one line. Returns the length. */
size_t log_escape(char *line, size_t size, const char *text) {
	size_t length = 0;
	while (*text != '\0' && length + 5 < size) {
		size_t shown = shown_length(text);
		memcpy(line + length, text, shown);
		length += shown;
		text += shown;
		if (shown == 0) length += (size_t)snprintf(line + length, 5, "\\x%02x", (unsigned char)*text++);
	}
	line[length] = '\0';
	return length;
}

/* Sends a line without control bytes to stderr. Returns 0, or -1 if it is lost. */
static int send_to_stderr(int priority, const char *text) {
	static const char warning[] = "warning: ";
	char line[LINE_MAX_LENGTH + 16], before[16] = "superd: ";
	int shown = priority == LOG_ERR || priority == LOG_WARNING ? priority : LOG_INFO;
	if (own_log.is_bare) before[0] = '\0';
	if (own_log.is_journal) snprintf(before, sizeof before, "<%d>", shown);
	if (own_log.is_journal && strncmp(text, warning, strlen(warning)) == 0) text += strlen(warning);
	int length = snprintf(line, sizeof line, "%s%s%s\n", own_log.is_cut ? "\n" : "", before, text);
	ssize_t written = own_log.write(own_log.fd, line, (size_t)length);
	if (written >= 0) own_log.is_cut = written < length;
	return written == length ? 0 : -1;
}

/* Sends a line without control bytes to syslog, or to stderr while there is none. Returns 0, or -1 if it is lost. */
static int send_to_syslog(int priority, const char *text) {
	char line[LINE_MAX_LENGTH];
	int result = write_syslog(priority, text);
	if (result == 0) own_log.lacks_syslog = false;
	if (result == 0 || errno == EAGAIN || errno == ENOBUFS) return result;
	snprintf(line, sizeof line, "warning: /dev/log: %s; logging to stderr", strerror(errno));
	if (!own_log.lacks_syslog) send_to_stderr(LOG_WARNING, line);
	own_log.lacks_syslog = true;
	return send_to_stderr(priority & 7, text);
}

static int send_line(int priority, const char *text) {
	if (own_log.facility == NULL) return send_to_stderr(priority, text);
	int result = send_to_syslog((int)own_log.facility->value | priority, text);
	if (priority == LOG_ERR && !own_log.is_listening && !own_log.lacks_syslog) send_to_stderr(priority, text);
	return result;
}

static void write_line(int priority, const char *text) {
	char line[LINE_MAX_LENGTH - 8]; /* and "superd: " before it */
	if (own_log.lost > 0) {
		snprintf(line, sizeof line, "warning: %lu log lines lost", own_log.lost);
		if (send_line(LOG_WARNING, line) == 0) own_log.lost = 0;
	}
	log_escape(line, sizeof line, text);
	if (send_line(priority, line) < 0) own_log.lost++;
}

/* A line for syslog that is not of superd's own log. */
void log_to_syslog(int priority, const char *text) {
	char line[LINE_MAX_LENGTH];
	log_escape(line, sizeof line, text);
	if (send_to_syslog(priority, line) < 0) own_log.lost++;
}

/* Whether lines of that level are logged. */
bool log_is_enabled(enum log_level level) { return level <= own_log.least; }

/* Whether the log is a terminal. */
bool log_is_terminal(void) { return own_log.to_terminal; }

/* Logs a line if its level is enabled; after its `location`, if it is about the configuration (else NULL). */
void log_write(enum log_level level, const struct location *location, const char *format, ...) {
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
	write_line((int)level, line);
	size_t length = own_log.to_terminal && location != NULL ? quote_line(line, sizeof line, location, text) : 0;
	if (length > 0) own_log.write(own_log.fd, line, length);
}
