/* SPDX-License-Identifier: ISC */
/*
 * state: what an upgrade hands over, as text: a line a thing, of words KEY=VALUE. A key that the reader does not know is skipped,
 * and a key that is missing leaves a default, so that any two versions understand each other as far as they can.
 */
#include "superd.h"

#include <fcntl.h>
#include <inttypes.h>

/* The next superd inherits the descriptor. Returns it. */
static int keep_open(int fd) {
	if (fd >= 0) fcntl(fd, F_SETFD, 0);
	return fd;
}

/* A client's connection, which is only handed over, and not to a check, so that its end can be seen. */
static bool has_clients;

static int keep_client(int fd) { return has_clients ? keep_open(fd) : fd; }

static void write_bytes(FILE *to, const char *key, const void *bytes, size_t length) {
	fprintf(to, " %s=", key);
	for (size_t i = 0; i < length; i++) fprintf(to, "%02x", ((const unsigned char *)bytes)[i]);
}

static void write_source(FILE *to, struct source source) {
	fprintf(to, " source_high=%" PRIu64 " source_low=%" PRIu64, source.high, source.low);
}

/* Ends a line with the name by which the thing is found again: a service's id, or that of a passed socket. */
static void write_name(FILE *to, const char *name, size_t nth) {
	fprintf(to, " nth=%jd name=%s\n", (intmax_t)nth, name);
}

static void write_listener(FILE *to, const struct listener *listener) {
	const char *id = listener->service->id;
	for (const struct listening_socket *socket = listener->sockets; socket != NULL; socket = socket->next) {
		if (socket->watch.fd < 0) continue;
		fprintf(to, "socket fd=%d device=%jd inode=%jd is_shared=%d", keep_open(socket->watch.fd),
		    (intmax_t)socket->device, (intmax_t)socket->inode, socket->is_shared);
		write_bytes(to, "address", &socket->configured.at, socket->configured.length);
		write_name(to, id, listener->nth);
	}
	fprintf(to, "listener accepted=%ld spawn_failures=%ld quick_exits=%d", listener->accepted,
	    listener->spawn_failures, listener->quick_exits);
	fprintf(to, " closed_until=%" PRId64 " second_began=%" PRId64 " second_count=%ld", listener->closed_until,
	    listener->second_began, listener->second_count);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++)
		fprintf(to, " refused.%s=%ld", verdict_kinds[verdict].word, listener->refused[verdict]);
	for (enum result result = 0; result < RESULTS; result++)
		fprintf(to, " exits.%s=%ld", result_words[result], listener->exits[result]);
	write_name(to, id, listener->nth);
}

static void write_client(FILE *to, const struct client *client) {
	fprintf(to, " fd=%d uid=%lu path_inode=%jd is_confirmed=%d", keep_client(client->fd),
	    (unsigned long)client->uid, (intmax_t)client->path_inode, client->is_confirmed);
	write_bytes(to, "peer", &client->peer.at, client->peer.length);
	write_bytes(to, "local", &client->local.at, client->local.length);
	write_name(to, client->listener->service->id, client->listener->nth);
}

static void write_child(FILE *to, const struct child *child) {
	fprintf(to, "%s pid=%ld is_holder=%d linger_fd=%d began=%" PRId64 " deadline=%" PRId64 " term_sent=%d",
	    child->asking != NULL ? "question" : "child", (long)child->pid, child->pid == child->listener->holder,
	    keep_client(child->linger_fd), child->began, child->deadline, child->term_sent);
	write_source(to, child->source);
	if (child->asking != NULL) write_client(to, child->asking);
	else write_name(to, child->listener->service->id, child->listener->nth);
}

/* Writes the connections of a listener that wait for their client, or for a child. */
static void write_waiting(FILE *to, const struct listener *listener) {
	for (const struct client *client = listener->pending_first; client != NULL; client = client->next) {
		fputs("pending", to);
		write_client(to, client);
	}
	for (const struct waiting *waiting = listener->headers.first; waiting != NULL; waiting = waiting->next) {
		const struct header *header = proxy_header(waiting);
		fprintf(to, "header deadline=%" PRId64 " length=%zu", header->deadline, header->length);
		write_bytes(to, "bytes", header->bytes, sizeof header->bytes);
		write_client(to, &header->client);
	}
	for (const struct waiting *waiting = listener->lingering.first; waiting != NULL; waiting = waiting->next) {
		fprintf(
		    to, "lingering fd=%d deadline=%" PRId64, keep_client(waiting->watch.fd), waiting->watch.timer.when);
		write_name(to, listener->service->id, listener->nth);
	}
}

/*
 * Writes all that the next superd goes on with; what of it are descriptors stays open at exec from now on. `ignores_hangup`: see
 * upgrade_remember. A check gets the listening sockets alone.
 */
void state_write(FILE *to, bool ignores_hangup, bool is_check) {
	has_clients = !is_check;
	const struct inherited_socket *passed;
	const struct denied_source *denied;
	fprintf(to, "%s\ntotals start_time=%lld reloads=%lld upgrades=%lld ignores_hangup=%d\n", STATE_FIRST_LINE,
	    metrics_totals.start_time, metrics_totals.reloads, metrics_totals.upgrades, ignores_hangup);
	for (size_t i = 0; (passed = inherited_find(i, NULL)) != NULL; i++) {
		fprintf(to, "passed fd=%d", keep_open(passed->fd));
		write_name(to, passed->name, 0);
	}
	for (const struct listener *listener = listener_first(); listener != NULL; listener = listener->next) {
		if (!listener->retired) write_listener(to, listener);
		write_waiting(to, listener);
	}
	for (const struct child *child = child_next(NULL); child != NULL; child = child_next(child))
		if (child->listener != NULL) write_child(to, child);
	for (size_t i = 0; (denied = access_denied(i)) != NULL; i++) {
		fprintf(to, "denied until=%" PRId64, denied->until);
		write_source(to, denied->source);
		fputc('\n', to);
	}
	fprintf(to, "%s\n", STATE_LAST_LINE);
}

/* The value of a key in a line, up to the next blank, or NULL. */
static const char *value_of(const char *line, const char *key) {
	size_t length = strlen(key);
	for (const char *word = strchr(line, ' '); word != NULL; word = strchr(word + 1, ' '))
		if (strncmp(word + 1, key, length) == 0 && word[1 + length] == '=') return word + 2 + length;
	return NULL;
}

/* A number, or `unless_set` if the line has no such key. */
static int64_t read_number(const char *line, const char *key, int64_t unless_set) {
	const char *value = value_of(line, key);
	return value != NULL ? strtoll(value, NULL, 10) : unless_set;
}

/* Returns how many bytes the value has, at most `size`. */
static size_t read_bytes(const char *line, const char *key, void *bytes, size_t size) {
	const char *digits = value_of(line, key);
	size_t length = 0;
	for (; digits != NULL && length < size && digits[0] > ' ' && digits[1] > ' '; digits += 2)
		((unsigned char *)bytes)[length++] =
		    (unsigned char)strtoul((char[]){digits[0], digits[1], '\0'}, NULL, 16);
	return length;
}

static struct endpoint read_endpoint(const char *line, const char *key) {
	struct endpoint endpoint = {.length = 0};
	endpoint.length = (socklen_t)read_bytes(line, key, &endpoint.at, sizeof endpoint.at);
	return endpoint;
}

static struct source read_source(const char *line) {
	const char *high = value_of(line, "source_high"), *low = value_of(line, "source_low");
	return (struct source){high ? strtoull(high, NULL, 10) : 0, low ? strtoull(low, NULL, 10) : 0};
}

static int read_fd(const char *line) { return (int)read_number(line, "fd", -1); }

static void restore_totals(const char *line, bool *ignores_hangup) {
	metrics_totals.start_time = read_number(line, "start_time", 0);
	metrics_totals.reloads = read_number(line, "reloads", 0);
	metrics_totals.upgrades = read_number(line, "upgrades", 0) + 1;
	*ignores_hangup = read_number(line, "ignores_hangup", 0) != 0;
}

/* A counter of that kind and word. */
static long read_counter(const char *line, const char *kind, const char *word) {
	char key[40];
	snprintf(key, sizeof key, "%s.%s", kind, word);
	return (long)read_number(line, key, 0);
}

static void restore_listener(const char *line, struct listener *listener) {
	if (listener == NULL) return;
	listener->accepted = (long)read_number(line, "accepted", 0);
	listener->spawn_failures = (long)read_number(line, "spawn_failures", 0);
	listener->quick_exits = (int)read_number(line, "quick_exits", 0);
	listener->closed_until = read_number(line, "closed_until", 0);
	listener->second_began = read_number(line, "second_began", 0);
	listener->second_count = (long)read_number(line, "second_count", 0);
	for (enum verdict verdict = VERDICT_ALLOW + 1; verdict < VERDICTS; verdict++)
		listener->refused[verdict] = read_counter(line, "refused", verdict_kinds[verdict].word);
	for (enum result result = 0; result < RESULTS; result++)
		listener->exits[result] = read_counter(line, "exits", result_words[result]);
}

/* `admitted_by` stays 0: what has admitted the client is not known. */
static struct client read_client(const char *line, struct listener *listener) {
	struct client client = {.fd = read_fd(line),
	    .listener = listener,
	    .is_accepted = true,
	    .uid = (uid_t)read_number(line, "uid", -1),
	    .path_inode = (ino_t)read_number(line, "path_inode", 0),
	    .is_confirmed = read_number(line, "is_confirmed", 0) != 0,
	    .peer = read_endpoint(line, "peer"),
	    .local = read_endpoint(line, "local")};
	client.source = addr_source(&client.peer, client.uid);
	spawn_note_client(client.fd);
	return client;
}

static void restore_child(const char *line, struct listener *listener, struct client *asking) {
	struct child child = {.pid = (pid_t)read_number(line, "pid", 0),
	    .linger_fd = (int)read_number(line, "linger_fd", -1),
	    .asking = asking,
	    .began = read_number(line, "began", loop_now()),
	    .deadline = read_number(line, "deadline", INT64_MAX),
	    .term_sent = read_number(line, "term_sent", 0) != 0,
	    .source = read_source(line)};
	serve_restore_child(listener, &child, read_number(line, "is_holder", listener->service->wait > 0) != 0);
}

static void restore_program(const char *line, struct listener *listener) { restore_child(line, listener, NULL); }

static void restore_question(const char *line, struct listener *listener) {
	struct client *client = malloc(sizeof *client);
	if (client == NULL) return;
	*client = read_client(line, listener);
	restore_child(line, listener, client);
}

static void restore_header(const char *line, struct listener *listener) {
	struct header header = {.client = read_client(line, listener),
	    .deadline = read_number(line, "deadline", 0),
	    .length = (size_t)read_number(line, "length", 0)};
	read_bytes(line, "bytes", header.bytes, sizeof header.bytes);
	serve_restore_header(&header);
}

static void restore_pending(const char *line, struct listener *listener) {
	struct client client = read_client(line, listener);
	serve_restore_pending(&client);
}

static void restore_lingering(const char *line, struct listener *listener) {
	serve_restore_lingering(listener, read_fd(line), read_number(line, "deadline", 0));
}

/* The name is the last word of a line, and may have blanks. */
static const char *name_of(const char *line) {
	const char *name = value_of(line, "name");
	return name != NULL ? name : "";
}

static bool is_kind(const char *line, const char *kind) {
	size_t length = strlen(kind);
	return strncmp(line, kind, length) == 0 && line[length] == ' ';
}

static void restore_socket(const char *line, struct listener *listener) {
	struct listening_socket socket = {.watch.fd = read_fd(line),
	    .configured = read_endpoint(line, "address"),
	    .device = (dev_t)read_number(line, "device", 0),
	    .inode = (ino_t)read_number(line, "inode", 0),
	    .is_shared = read_number(line, "is_shared", 0) != 0};
	listener_restore_socket(listener, &socket);
}

/* Restores what a line names, if it has to be there before the services are opened. */
void state_restore_early(const char *line, bool *ignores_hangup) {
	if (is_kind(line, "totals")) restore_totals(line, ignores_hangup);
	if (is_kind(line, "passed")) inherited_add(read_fd(line), name_of(line));
	bool is_socket = is_kind(line, "socket");
	if (!is_socket && !is_kind(line, "listener")) return;
	struct listener *listener = listener_restore(name_of(line), (size_t)read_number(line, "nth", 0));
	if (is_socket) restore_socket(line, listener);
}

/* Restores what a line names, if it belongs to services that are open, or are not configured any more. */
void state_restore_late(const char *line) {
	static const struct {
		const char *kind;
		void (*restore)(const char *line, struct listener *listener);
	} kinds[] = {{"child", restore_program}, {"question", restore_question}, {"pending", restore_pending},
	    {"header", restore_header}, {"lingering", restore_lingering}};
	size_t nth = (size_t)read_number(line, "nth", 0);
	if (is_kind(line, "denied")) access_deny(read_source(line), read_number(line, "until", 0));
	if (is_kind(line, "listener")) restore_listener(line, listener_find_earlier(name_of(line), nth));
	for (size_t i = 0; i < LENGTH(kinds); i++) {
		if (is_kind(line, kinds[i].kind)) kinds[i].restore(line, listener_of_earlier(name_of(line), nth));
	}
}
