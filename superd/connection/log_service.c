/*
 * log_service: the lines of a service's log about a connection, in xinetd's words: START, EXIT, FAIL.
 */
#include "connection.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { PART = 300 };

/* xinetd's words, where xinetd has one. */
const struct verdict_kind verdict_kinds[VERDICTS] = {
    [VERDICT_ADDRESS] = {.word = "address", .logged_each_time = true},
    [VERDICT_TIME] = {.word = "time", .logged_each_time = true},
    [VERDICT_LOAD] = {.word = "load"},
    [VERDICT_SERVICE_LIMIT] = {.word = "service_limit"},
    [VERDICT_PER_SOURCE_LIMIT] = {.word = "per_source_limit", .logged_each_time = true},
    [VERDICT_CPS] = {.word = "cps"},
    [VERDICT_PER_SOURCE_CPS] = {.word = "per_source_cps", .logged_each_time = true},
    [VERDICT_SENSOR] = {.word = "sensor", .logged_each_time = true},
    [VERDICT_PROXY] = {.word = "proxy", .logged_each_time = true},
    [VERDICT_FORK] = {.word = "fork"},
};

/* A file of log_type, opened once for all services that name it. Past the soft limit there is a warning, past the hard limit nothing is written. */
struct log_file {
	struct log_file *next;
	struct log_sink sink;
	long size;
	bool is_open, soft_logged, hard_logged, lost_logged;
	char path[];
};

static struct log_file *files;

/* Closes the files. Each is opened again for its next line (HUP, after a rotation). */
void log_files_reopen(void) {
	for (struct log_file *file = files; file != NULL; file = file->next) {
		if (file->is_open) close(file->sink.fd);
		file->is_open = file->soft_logged = file->hard_logged = false;
	}
}

static struct log_file *find_file(const char *path) {
	struct log_file *file = files;
	while (file != NULL && strcmp(file->path, path) != 0) file = file->next;
	if (file != NULL) return file;
	size_t size = strlen(path) + 1;
	file = calloc(1, sizeof *file + size);
	if (file == NULL) return NULL;
	memcpy(file->path, path, size);
	file->next = files;
	files = file;
	return file;
}

static int open_file(struct log_file *file) {
	struct stat about;
	int fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	if (fd < 0) return -1;
	file->is_open = true;
	file->sink = (struct log_sink){.fd = fd, .kind = SINK_PLAIN};
	file->size = fstat(fd, &about) == 0 && S_ISREG(about.st_mode) ? (long)about.st_size : 0;
	return 0;
}

/* How far past `soft` a file may grow where no hard limit is set: a hundredth, within 5K and 20K (xinetd.conf(5)). */
static long hard_extra(long soft) {
	const long least = 5 * 1024L, most = 20 * 1024L, extra = soft / 100;
	return extra < least ? least : extra > most ? most : extra;
}

/* Opens the file of a redirection's TRAFFIC line, while the child still has the right to. */
void log_file_prepare(const struct service *service) {
	struct log_file *file = service->log_type.file != NULL ? find_file(service->log_type.file) : NULL;
	if (file != NULL && service->log_on_success & LOG_ITEM_TRAFFIC) open_file(file);
}

/* Warns, once, about a file. */
static void warn_once(bool *logged, const struct log_file *file, const char *what) {
	if (!*logged) log_warning("%s: %s", file->path, what);
	*logged = true;
}

/* Writes the line to log_type's file, with xinetd's time stamp before it. */
static void write_file(const struct log_type *type, const char *text) {
	char line[PART + 40];
	struct tm local;
	time_t now = time(NULL);
	struct log_file *file = find_file(type->file);
	if (file == NULL || (!file->is_open && open_file(file) < 0)) {
		log_warning("%s: %s: %s", type->file, strerror(errno), text);
		return;
	}
	long hard = type->hard > 0 ? type->hard : type->soft + hard_extra(type->soft);
	size_t length = strftime(line, sizeof line, "%y/%m/%d@%H:%M:%S: ", localtime_r(&now, &local));
	length += log_escape(line + length, PART, text);
	line[length++] = '\n';
	if (type->soft > 0 && file->size + (long)length > hard) {
		warn_once(&file->hard_logged, file, "the hard limit is reached; nothing more is written to it");
		return;
	}
	if (sink_write(&file->sink, line, length) < 0) {
		warn_once(&file->lost_logged, file, strerror(errno));
		return;
	}
	file->size += (long)length;
	file->lost_logged = false;
	if (type->soft > 0 && file->size > type->soft) warn_once(&file->soft_logged, file, "the soft limit is reached");
}

/* Writes a line to the service's log_type, or else to superd's own log, where -q skips those of a success. */
static void PRINTF_LIKE(3, 4) write_line(const struct service *service, bool is_success, const char *format, ...) {
	char text[PART], line[PART];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	const struct log_type *type = &service->log_type;
	if (type->file != NULL) {
		write_file(type, text);
	} else if (type->set) {
		log_escape(line, sizeof line, text);
		syslog_write(type->priority, line);
	} else {
		log_write(is_success ? LEVEL_NOTICE : LEVEL_ALWAYS, NULL, "%s", text);
	}
}

static const char *format_peer(const struct client *client, char text[ADDR_TEXT]) {
	if (client->peer.length == 0) return "<no address>";
	if (client->peer.at.any.sa_family != AF_UNIX) return addr_format_host(&client->peer, text);
	if (client->uid == (uid_t)-1) return "uid:unknown";
	snprintf(text, ADDR_TEXT, "uid:%lu", (unsigned long)client->uid);
	return text;
}

/* Whether lines about a success are written at all: with -q, superd's own log has none. */
static bool is_logged(const struct service *service) {
	return service->log_type.set || log_is_enabled(LEVEL_NOTICE);
}

/* START: ID pid=N from=ADDRESS port=N, as log_on_success has it. */
void log_start(const struct service *service, const struct client *client, pid_t pid) {
	char peer[ADDR_TEXT], line[PART] = "";
	bool has_port = client->peer.length > 0 && client->peer.at.any.sa_family != AF_UNIX;
	if (service->log_on_success == 0 || !is_logged(service)) return;
	if (service->log_on_success & LOG_ITEM_PID) text_add(line, PART, " pid=%ld", (long)pid);
	if (service->log_on_success & LOG_ITEM_HOST) text_add(line, PART, " from=%s", format_peer(client, peer));
	if (service->log_on_success & LOG_ITEM_HOST && has_port)
		text_add(line, PART, " port=%u", addr_port(&client->peer));
	write_line(service, true, "START: %.100s%s", service->id, line);
}

/* EXIT: ID status=N pid=N duration=N(sec), or signal=N. */
void log_exit(const struct service *service, const struct child *child, int status) {
	char line[PART] = "";
	if (!(service->log_on_success & (LOG_ITEM_EXIT | LOG_ITEM_DURATION)) || !is_logged(service)) return;
	if (service->log_on_success & LOG_ITEM_EXIT && WIFSIGNALED(status))
		text_add(line, PART, " signal=%d", WTERMSIG(status));
	else if (service->log_on_success & LOG_ITEM_EXIT)
		text_add(line, PART, " status=%d", WEXITSTATUS(status));
	if (service->log_on_success & LOG_ITEM_PID) text_add(line, PART, " pid=%ld", (long)child->pid);
	if (service->log_on_success & LOG_ITEM_DURATION)
		text_add(line, PART, " duration=%ld(sec)", (long)((loop_now() - child->began) / 1000));
	write_line(service, true, "EXIT: %.100s%s", service->id, line);
}

/* FAIL: ID WORD from=ADDRESS; nothing stands after from=. */
void log_fail(const struct service *service, const struct client *client, enum verdict verdict) {
	char peer[ADDR_TEXT];
	if (service->log_on_failure == 0) return;
	bool has_host = service->log_on_failure & LOG_ITEM_HOST;
	write_line(service, false, "FAIL: %.100s %s%s%s", service->id, verdict_kinds[verdict].word,
	    has_host ? " from=" : "", has_host ? format_peer(client, peer) : "");
}

/* What a redirection passed on in each direction, in bytes. */
void log_traffic(const struct service *service, unsigned long long in, unsigned long long out) {
	if (service->log_on_success & LOG_ITEM_TRAFFIC)
		write_line(service, true, "TRAFFIC: %.100s in=%llu(bytes) out=%llu(bytes)", service->id, in, out);
}

/* The end of a run of refusals, of which only the first was logged; `span` in milliseconds. */
void log_refusal_run(const struct service *service, enum verdict verdict, unsigned long refused, int64_t span) {
	if (service->log_on_failure == 0) return;
	write_line(service, false, "%s ended: %.100s refused=%lu duration=%ld(sec)", verdict_kinds[verdict].word,
	    service->id, refused, (long)(span / 1000));
}
