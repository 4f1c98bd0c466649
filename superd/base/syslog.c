/*
 * syslog: lines for the system's log, as syslog(3) sends them, but without waiting: a log that nobody reads would stop all
 * of superd.
 */
#include "base.h"

#include <syslog.h>
#include <time.h>

enum { LINE_MOST = 1200 };

/* authpriv and ftp are not in POSIX; their numbers are in RFC 5424. */
const struct named_value syslog_facilities[] = {{"auth", LOG_AUTH}, {"authpriv", 10 << 3}, {"cron", LOG_CRON},
    {"daemon", LOG_DAEMON}, {"ftp", 11 << 3}, {"kern", LOG_KERN}, {"lpr", LOG_LPR}, {"mail", LOG_MAIL},
    {"news", LOG_NEWS}, {"user", LOG_USER}, {"uucp", LOG_UUCP}, {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},
    {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},
    {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}, {NULL, 0}};

const struct named_value syslog_levels[] = {{"emerg", LOG_EMERG}, {"alert", LOG_ALERT}, {"crit", LOG_CRIT},
    {"err", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG},
    {NULL, 0}};

static int fd = -1;

/* Closes the connection to the system's log. The next line opens it again. */
void syslog_close(void) {
	if (fd >= 0) close(fd);
	fd = -1;
}

/* Returns 0, or -1 and errno. */
static int reopen(void) {
	struct endpoint log = {.at.un = {.sun_family = AF_UNIX, .sun_path = "/dev/log"}, .length = sizeof log.at.un};
	syslog_close();
	fd = sys_socket(AF_UNIX, SOCK_DGRAM, 0);
	return fd < 0 ? -1 : connect(fd, &log.at.any, log.length);
}

/* Writes a line, with its facility and level. Returns 0, or -1 if it is lost. */
int syslog_write(int priority, const char *text) {
	char line[LINE_MOST], when[32];
	time_t now = time(NULL);
	struct tm local;
	strftime(when, sizeof when, "%b %e %H:%M:%S", localtime_r(&now, &local));
	int length = snprintf(line, sizeof line, "<%d>%s superd[%ld]: %s", priority, when, (long)getpid(), text);
	size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
	if (fd >= 0 && sys_send_nonblocking(fd, line, size) >= 0) return 0;
	if (fd >= 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return -1;
	if (reopen() == 0) return sys_send_nonblocking(fd, line, size) < 0 ? -1 : 0;
	if (errno != EPROTOTYPE) return -1;
	syslog(priority, "%s", text); /* a stream socket, which libc can write to as well */
	return 0;
}
