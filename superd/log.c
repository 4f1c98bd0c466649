/*
 * log: the only writer of superd's own log. Lines go to stderr, each with `superd: ` before
 * it, or to syslog. Nothing that a client can choose reaches a line unescaped, and a log that nobody reads never
 * blocks the loop: what cannot be written is counted, and said later.
 */
#include "superd.h"

#include <stdarg.h>
#include <syslog.h>

enum { LINE_MAX_LENGTH = 1000 };

static struct {
	bool to_syslog, to_terminal, bare, quiet, verbose, mute;
	int facility;
	struct outlet outlet;
	unsigned long lost;
} log_state = {.outlet.fd = STDERR_FILENO};

/* authpriv and ftp are not in POSIX; their numbers are in RFC 5424. */
const struct attr_word log_facilities[] = {{"auth", LOG_AUTH}, {"authpriv", 10 << 3}, {"cron", LOG_CRON},
    {"daemon", LOG_DAEMON}, {"ftp", 11 << 3}, {"kern", LOG_KERN}, {"lpr", LOG_LPR}, {"mail", LOG_MAIL},
    {"news", LOG_NEWS}, {"user", LOG_USER}, {"uucp", LOG_UUCP}, {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}, {NULL, 0}};

const struct attr_word log_levels[] = {{"emerg", LOG_EMERG}, {"alert", LOG_ALERT}, {"crit", LOG_CRIT}, {"err", LOG_ERR},
    {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};

/* In the order of enum verdict; xinetd's words, where xinetd has one. */
static const char *const verdict_words[VERDICTS] = {NULL, "address", "time", "load", "service_limit",
    "per_source_limit", "cps", "per_source_cps", "sensor", "proxy", "fork"};

/* FAIL's word for a verdict, which is the metrics' reason too; NULL for VERDICT_WELCOME. */
const char *log_verdict_word(enum verdict verdict) {
	return verdict_words[verdict];
}

/*
 * Opens the log: to syslog if the options name a facility, else to stderr. Call once, before any other descriptor
 * is opened. While a configuration is only checked, lines are bare (`file:line: message`), as a compiler's are.
 */
void log_open(const struct options *options) {
	log_state.bare = options->check;
	log_state.quiet = options->quiet;
	log_state.verbose = options->verbose;
	if (options->facility != NULL) {
		log_state.facility = (int)options->facility->value;
		log_state.to_syslog = true;
	} else {
		log_state.to_terminal = isatty(STDERR_FILENO) == 1;
		sys_outlet_open(&log_state.outlet, STDERR_FILENO);
	}
}

/* In a child that closes all but descriptor 2: what it still has to say goes there, or to syslog anew. */
void log_in_child(void) {
	syslog_close();
	log_files_reopen();
	log_state.outlet = (struct outlet){.fd = STDERR_FILENO, .kind = OUTLET_POLLED};
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

/* Sends a line, which has room for one byte more, on its way. Returns 0, or -1 if it is lost. */
static int send_line(int priority, char *line) {
	size_t length = strlen(line);
	if (log_state.to_syslog) return syslog_write(log_state.facility | priority, line);
	line[length++] = '\n';
	return sys_outlet_write(&log_state.outlet, line, length);
}

static void write_line(int priority, const char *prefix, const char *text) {
	char line[LINE_MAX_LENGTH];
	const char *name = log_state.bare || log_state.to_syslog ? "" : "superd: ";
	if (log_state.lost > 0) {
		snprintf(line, sizeof line, "%swarning: %lu log lines lost", name, log_state.lost);
		if (send_line(LOG_WARNING, line) == 0) log_state.lost = 0;
	}
	size_t length = (size_t)snprintf(line, sizeof line, "%s%s", name, prefix);
	log_escape(line + length, sizeof line - length - 1, text);
	if (send_line(priority, line) < 0) log_state.lost++;
}

/* Whether the options let a line of that level through. */
bool log_hears(enum log_level level) {
	return !(level == LEVEL_NOTICE && log_state.quiet) && !(level == LEVEL_DETAIL && !log_state.verbose);
}

/* Whether the log is read at a terminal. */
bool log_is_terminal(void) {
	return log_state.to_terminal;
}

/* Passes over warnings about the configuration, while `defaults` are applied once more. */
void log_mute_warnings(bool mute) {
	log_state.mute = mute;
}

/*
 * Says a line, where `level` is one that the options let through. What is said of the configuration has its `place`
 * before it; else `place` is NULL.
 */
void log_say(enum log_level level, const struct place *place, const char *format, ...) {
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
	char text[LINE_MAX_LENGTH], line[LINE_MAX_LENGTH];
	if (!log_hears(level)) return;
	if (level == LEVEL_WARNING && place != NULL && log_state.mute) return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	const char *kind = level == LEVEL_WARNING ? "warning: " : "";
	if (place == NULL) {
		write_line(priorities[level], kind, text);
		return;
	}
	const char *before = log_state.bare ? "" : kind, *after = log_state.bare ? kind : "";
	if (place->line > 0)
		snprintf(line, sizeof line, "%.300s:%d: %s%.600s", place->file, place->line, after, text);
	else
		snprintf(line, sizeof line, "%s%.900s", after, text);
	write_line(priorities[level], before, line);
	size_t length = log_state.to_terminal ? terminal_quote(line, sizeof line, place, text) : 0;
	if (length > 0) sys_outlet_write(&log_state.outlet, line, length);
}
