/* SPDX-License-Identifier: ISC */
/*
 * load [-k] [-c CLIENTS] [-m MILLISECONDS] [-s TEXT] REPLY PORT: keep CLIENTS clients of 127.0.0.1:PORT active. A
 * client connects, sends TEXT (if given), closes its sending side, and reads until the server closes the connection.
 * The client must receive REPLY. When a client ends, the next client starts. With -k, a client keeps its connection,
 * and sends TEXT again after it has received the whole REPLY. `\n` in TEXT and REPLY is a line feed.
 *
 * Prints, separated by tabs: exchanges per second, failures, and the duration of an exchange in microseconds: the
 * median, the 99th percentile and the maximum. An exchange begins with connect (with -k: with the request), and ends
 * with the end of the connection (with -k: of the reply). A refused or reset connection, a wrong reply, and an exchange
 * that takes longer than TIMEOUT_US are failures.
 *
 * A client closes with a reset, so that the kernel keeps no state of the connection (TIME_WAIT), and one run does not
 * slow down the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1024, TIMEOUT_US = 10 * 1000 * 1000 };

struct text {
	char *start;
	size_t length;
};

struct client {
	int64_t start_time;
	size_t received;
};

static struct {
	bool is_persistent;
	size_t clients;
	int64_t duration;
	struct text request, reply;
	struct sockaddr_in address;
} options = {.clients = 1, .duration = 1000 * 1000};

/* A client has the same index in both arrays. A closed client has a negative descriptor. */
static struct client clients[CLIENTS_MAX];
static struct pollfd polls[CLIENTS_MAX];

static struct {
	int64_t *durations;
	size_t count, capacity, failures;
} results;

static int64_t now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what) {
	perror(what);
	exit(1);
}

static void record_success(int64_t duration) {
	if (results.count == results.capacity) {
		results.capacity = results.capacity * 2 + 4096;
		results.durations = realloc(results.durations, results.capacity * sizeof *results.durations);
		if (results.durations == NULL) fail("memory");
	}
	results.durations[results.count++] = duration;
}

static void close_client(size_t index) {
	setsockopt(polls[index].fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(polls[index].fd);
	polls[index].fd = -1;
}

static void fail_client(size_t index) {
	results.failures++;
	close_client(index);
}

static void start_client(size_t index) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) fail("socket");
	clients[index] = (struct client){.start_time = now()};
	polls[index] = (struct pollfd){.fd = fd, .events = options.request.length > 0 ? POLLOUT : POLLIN};
	if (connect(fd, (struct sockaddr *)&options.address, sizeof options.address) == 0 || errno == EINPROGRESS)
		return;
	fail_client(index);
}

/* The request is short and the socket's send buffer is empty, so one send takes the whole request. */
static void send_request(size_t index) {
	int fd = polls[index].fd;
	ssize_t length = (ssize_t)options.request.length;
	if (send(fd, options.request.start, options.request.length, MSG_NOSIGNAL) != length) {
		fail_client(index);
		return;
	}
	if (!options.is_persistent) shutdown(fd, SHUT_WR);
	polls[index].events = POLLIN;
}

static void send_next_request(size_t index) {
	clients[index] = (struct client){.start_time = now()};
	send_request(index);
}

static bool is_as_expected(const struct client *client, const char *bytes, size_t length) {
	return length <= options.reply.length - client->received &&
	       memcmp(bytes, options.reply.start + client->received, length) == 0;
}

/* Reads once. At the end of an exchange, sends the next request or closes the client. */
static void read_reply(size_t index, bool is_over) {
	char bytes[65536];
	struct client *client = &clients[index];
	ssize_t length = recv(polls[index].fd, bytes, sizeof bytes, 0);
	if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
	if (length < 0 || !is_as_expected(client, bytes, (size_t)length)) {
		fail_client(index);
		return;
	}
	client->received += (size_t)length;
	bool is_complete = client->received == options.reply.length;
	if (options.is_persistent ? !is_complete && length > 0 : length > 0) return;
	if (!is_complete || (options.is_persistent && length == 0)) {
		fail_client(index);
		return;
	}
	record_success(now() - client->start_time);
	if (options.is_persistent && !is_over) send_next_request(index);
	else close_client(index);
}

/* Fails the clients that have reached their timeout. Returns the number of open clients. */
static size_t check_timeouts(void) {
	size_t open = 0;
	for (size_t i = 0; i < options.clients; i++) {
		if (polls[i].fd >= 0 && now() - clients[i].start_time > TIMEOUT_US) fail_client(i);
		if (polls[i].fd >= 0) open++;
	}
	return open;
}

static void handle_events(size_t index, bool is_over) {
	if (polls[index].fd >= 0 && polls[index].revents & POLLOUT) send_request(index);
	else if (polls[index].fd >= 0 && polls[index].revents != 0) read_reply(index, is_over);
	if (polls[index].fd < 0 && !is_over) start_client(index);
}

/* Keeps all clients active for the given duration, then waits for the last clients. Returns the time that passed. */
static int64_t run(void) {
	int64_t begin = now(), end = begin + options.duration;
	for (size_t i = 0; i < options.clients; i++) start_client(i);
	for (;;) {
		int ready = poll(polls, options.clients, 1000);
		if (ready < 0 && errno != EINTR) fail("poll");
		bool is_over = now() >= end;
		for (size_t i = 0; i < options.clients; i++) handle_events(i, is_over);
		if ((is_over || ready == 0) && check_timeouts() == 0 && is_over) return now() - begin;
	}
}

static int compare_durations(const void *a, const void *b) {
	int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
	return (first > second) - (first < second);
}

static void print_results(int64_t elapsed) {
	static int64_t zero;
	size_t count = results.count;
	const int64_t *durations = count > 0 ? results.durations : &zero;
	if (count > 0) qsort(results.durations, count, sizeof *results.durations, compare_durations);
	printf("%.1f\t%zu\t%lld\t%lld\t%lld\n", (double)count * 1e6 / (double)elapsed, results.failures,
	    (long long)durations[count / 2], (long long)durations[count * 99 / 100],
	    (long long)durations[count > 0 ? count - 1 : 0]);
}

static struct text unescape(char *text) {
	char *to = text;
	for (const char *from = text; *from != '\0'; from++)
		if (from[0] == '\\' && from[1] == 'n') {
			*to++ = '\n';
			from++;
		} else *to++ = *from;
	return (struct text){text, (size_t)(to - text)};
}

static _Noreturn void usage(void) {
	fprintf(stderr, "usage: load [-k] [-c CLIENTS] [-m MILLISECONDS] [-s TEXT] REPLY PORT\n");
	exit(2);
}

int main(int argc, char **argv) {
	for (int option; (option = getopt(argc, argv, "kc:m:s:")) != -1;) switch (option) {
		case 'k': options.is_persistent = true; break;
		case 'c': options.clients = (size_t)atoi(optarg); break;
		case 'm': options.duration = atoi(optarg) * INT64_C(1000); break;
		case 's': options.request = unescape(optarg); break;
		default: usage();
		}
	if (argc - optind != 2 || options.clients < 1 || options.clients > CLIENTS_MAX || options.duration <= 0)
		usage();
	options.reply = unescape(argv[optind]);
	options.address = (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(argv[optind + 1])),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	print_results(run());
	return 0;
}
