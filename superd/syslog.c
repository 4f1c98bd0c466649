/*
 * syslog: lines for the system's log, as syslog(3) sends them, but never waiting: it would hold up all of superd while
 * nobody reads.
 */
#include "superd.h"

#include <syslog.h>
#include <time.h>

enum { LINE_MOST = 1200 };

static int fd = -1;

/* Returns 0, or -1 and errno. */
static int reopen(void) {
	struct endpoint log = {.at.un = {.sun_family = AF_UNIX, .sun_path = "/dev/log"}, .length = sizeof log.at.un};
	syslog_close();
	fd = sys_socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd >= 0 && connect(fd, &log.at.any, log.length) == 0) return 0;
	int error = errno;
	syslog_close();
	errno = error;
	return -1;
}

/* Forgets the connection to the system's log: it is made anew when there is something to say. */
void syslog_close(void) {
	if (fd >= 0) close(fd);
	fd = -1;
}

/* Writes a line, with its facility and level. Returns 0, or -1 if it is lost. */
int syslog_write(int priority, const char *text) {
	char line[LINE_MOST], when[32];
	time_t now = time(NULL);
	struct tm local;
	strftime(when, sizeof when, "%b %e %H:%M:%S", localtime_r(&now, &local));
	int length = snprintf(line, sizeof line, "<%d>%s superd[%ld]: %s", priority, when, (long)getpid(), text);
	size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
	if (fd >= 0 && sys_send_unblocked(fd, line, size) >= 0) return 0;
	if (fd >= 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return -1;
	if (reopen() == 0) return sys_send_unblocked(fd, line, size) < 0 ? -1 : 0;
	if (errno != EPROTOTYPE) return -1;
	syslog(priority, "%s", text); /* a stream, which libc can talk to as well */
	return 0;
}
