/*
 * log_service: what a service's log says of a connection, in xinetd's words: START, EXIT, FAIL.
 */
#include "superd.h"

#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

enum { PART = 300 };

static const char *name_peer(const struct client *client, char text[ADDR_TEXT]) {
	if (client->peer.at.any.sa_family != AF_UNIX)
		return addr_format_host(&client->peer, text);
	if (client->uid == (uid_t)-1)
		return "uid:unknown";
	snprintf(text, ADDR_TEXT, "uid:%lu", (unsigned long)client->uid);
	return text;
}

/* START: ID pid=N from=ADDRESS port=N, as log_on_success has it. */
void log_start(const struct client *client, pid_t pid) {
	const struct service *service = client->listener->service;
	char peer[ADDR_TEXT], line[PART];
	size_t length = 0;
	if (service->log_on_success == 0)
		return;
	length += (size_t)snprintf(line, sizeof line, "START: %.100s", service->id);
	if (service->log_on_success & LOG_ITEM_PID)
		length += (size_t)snprintf(line + length, sizeof line - length, " pid=%ld", (long)pid);
	if (service->log_on_success & LOG_ITEM_HOST)
		length += (size_t)snprintf(
		    line + length, sizeof line - length, " from=%s", name_peer(client, peer));
	if (service->log_on_success & LOG_ITEM_HOST && client->peer.at.any.sa_family != AF_UNIX)
		snprintf(line + length, sizeof line - length, " port=%u", addr_port(&client->peer));
	log_notice("%s", line);
}

/* EXIT: ID status=N pid=N duration=N(sec), or signal=N. */
void log_exit(const struct conn *conn, int status) {
	const struct service *service = conn->listener->service;
	char line[PART];
	size_t length = 0;
	if (!(service->log_on_success & (LOG_ITEM_EXIT | LOG_ITEM_DURATION)))
		return;
	length += (size_t)snprintf(line, sizeof line, "EXIT: %.100s", service->id);
	if (service->log_on_success & LOG_ITEM_EXIT)
		length += (size_t)snprintf(line + length, sizeof line - length, " %s=%d",
		    WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (service->log_on_success & LOG_ITEM_PID)
		length += (size_t)snprintf(line + length, sizeof line - length, " pid=%ld", (long)conn->pid);
	if (service->log_on_success & LOG_ITEM_DURATION)
		snprintf(line + length, sizeof line - length, " duration=%ld(sec)",
		    (long)((loop_now() - conn->began) / 1000));
	log_notice("%s", line);
}

/* FAIL: ID WORD from=ADDRESS; nothing stands after from=. */
void log_fail(const struct client *client, enum verdict verdict) {
	const struct service *service = client->listener->service;
	char peer[ADDR_TEXT];
	if (service->log_on_failure == 0)
		return;
	bool says_host = service->log_on_failure & LOG_ITEM_HOST;
	log_always("FAIL: %.100s %s%s%s", service->id, log_verdict_word(verdict), says_host ? " from=" : "",
	    says_host ? name_peer(client, peer) : "");
}

/* The end of a run of refusals of which only the first was said; `span` in milliseconds. */
void log_episode(const struct service *service, enum verdict verdict, unsigned long refused, int64_t span) {
	if (service->log_on_failure == 0)
		return;
	log_always("%s ended: %.100s refused=%lu duration=%ld(sec)", log_verdict_word(verdict), service->id,
	    refused, (long)(span / 1000));
}
