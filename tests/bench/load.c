/*
 * load [-k] [-c CLIENTS] [-m MILLISECONDS] [-s TEXT] REPLY PORT: clients of 127.0.0.1:PORT, for a time. Each connects,
 * sends TEXT (if any) and ends its side, and reads until the server has ended its own; what it then has must be REPLY.
 * As soon as one has done, the next begins, so that CLIENTS are there at once. With -k a client keeps its connection
 * and asks again when the whole REPLY is there. `\n` in TEXT and REPLY is a line feed.
 *
 * Prints, separated by tabs: exchanges a second, failures, and how long an exchange took, from connect (with -k from
 * the question) to its end: the median, the 99th percentile and the longest, in microseconds. A connection that is
 * refused or reset, a reply that is not REPLY, and one that takes longer than PATIENCE are failures.
 *
 * A client closes with a reset, so that the server's kernel keeps nothing of a connection that is over: what one run
 * leaves behind does not slow the next one down.
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

enum { CLIENTS_MAX = 1024, PATIENCE = 10 * 1000 * 1000 };

struct text {
	char *start;
	size_t length;
};

struct client {
	int64_t began;
	size_t received;
	bool has_sent;
};

static struct {
	bool keeps;
	size_t clients;
	int64_t span;
	struct text request, reply;
	struct sockaddr_in address;
} load = {.clients = 1, .span = 1000 * 1000};

/* A client's place in one array is its place in the other; a descriptor below 0 is one that is done. */
static struct client clients[CLIENTS_MAX];
static struct pollfd polls[CLIENTS_MAX];

static struct {
	int64_t *spans;
	size_t count, room, failures;
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

static void note_success(int64_t span) {
	if (results.count == results.room) {
		results.room = results.room * 2 + 4096;
		results.spans = realloc(results.spans, results.room * sizeof *results.spans);
		if (results.spans == NULL) fail("memory");
	}
	results.spans[results.count++] = span;
}

static void hang_up(size_t place) {
	setsockopt(polls[place].fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(polls[place].fd);
	polls[place].fd = -1;
}

static void begin(size_t place) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) fail("socket");
	clients[place] = (struct client){.began = now()};
	polls[place] = (struct pollfd){.fd = fd, .events = load.request.length > 0 ? POLLOUT : POLLIN};
	if (connect(fd, (struct sockaddr *)&load.address, sizeof load.address) == 0 || errno == EINPROGRESS) return;
	results.failures++;
	hang_up(place);
}

static void fail_client(size_t place) {
	results.failures++;
	hang_up(place);
}

/* The request is short and the socket's buffer empty, so it goes out whole. */
static void ask(size_t place) {
	int fd = polls[place].fd;
	if (send(fd, load.request.start, load.request.length, MSG_NOSIGNAL) != (ssize_t)load.request.length) {
		fail_client(place);
		return;
	}
	if (!load.keeps) shutdown(fd, SHUT_WR);
	polls[place].events = POLLIN;
}

static void ask_again(size_t place) {
	clients[place] = (struct client){.began = now()};
	ask(place);
}

static bool is_as_expected(const struct client *client, const char *bytes, size_t length) {
	return length <= load.reply.length - client->received &&
	       memcmp(bytes, load.reply.start + client->received, length) == 0;
}

/* Reads what has come. At the end of an exchange either goes on or hangs up. */
static void hear(size_t place, bool is_over) {
	char bytes[65536];
	struct client *client = &clients[place];
	ssize_t length = recv(polls[place].fd, bytes, sizeof bytes, 0);
	if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
	if (length < 0 || !is_as_expected(client, bytes, (size_t)length)) {
		fail_client(place);
		return;
	}
	client->received += (size_t)length;
	bool is_whole = client->received == load.reply.length;
	if (load.keeps ? !is_whole && length > 0 : length > 0) return;
	if (!is_whole || (load.keeps && length == 0)) {
		fail_client(place);
		return;
	}
	note_success(now() - client->began);
	if (load.keeps && !is_over)
		ask_again(place);
	else
		hang_up(place);
}

/* Gives up whoever waits for too long. Returns how many are still there. */
static size_t look_at_clock(void) {
	size_t there = 0;
	for (size_t i = 0; i < load.clients; i++) {
		if (polls[i].fd >= 0 && now() - clients[i].began > PATIENCE) fail_client(i);
		if (polls[i].fd >= 0) there++;
	}
	return there;
}

static void serve(size_t place, bool is_over) {
	if (polls[place].fd >= 0 && polls[place].revents & POLLOUT)
		ask(place);
	else if (polls[place].fd >= 0 && polls[place].revents != 0)
		hear(place, is_over);
	if (polls[place].fd < 0 && !is_over) begin(place);
}

/* Keeps all clients busy until the time is over, then waits for the last ones. Returns how long that took. */
static int64_t run(void) {
	int64_t began = now(), end = began + load.span;
	for (size_t i = 0; i < load.clients; i++) begin(i);
	for (;;) {
		int ready = poll(polls, load.clients, 1000);
		if (ready < 0 && errno != EINTR) fail("poll");
		bool is_over = now() >= end;
		for (size_t i = 0; i < load.clients; i++) serve(i, is_over);
		if ((is_over || ready == 0) && look_at_clock() == 0 && is_over) return now() - began;
	}
}

static int by_size(const void *a, const void *b) {
	int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
	return (first > second) - (first < second);
}

static void print_results(int64_t span) {
	static int64_t none;
	size_t count = results.count;
	const int64_t *spans = count > 0 ? results.spans : &none;
	if (count > 0) qsort(results.spans, count, sizeof *results.spans, by_size);
	printf("%.1f\t%zu\t%lld\t%lld\t%lld\n", (double)count * 1e6 / (double)span, results.failures,
	    (long long)spans[count / 2], (long long)spans[count * 99 / 100],
	    (long long)spans[count > 0 ? count - 1 : 0]);
}

static struct text read_text(char *text) {
	char *to = text;
	for (const char *from = text; *from != '\0'; from++)
		if (from[0] == '\\' && from[1] == 'n') {
			*to++ = '\n';
			from++;
		} else
			*to++ = *from;
	return (struct text){text, (size_t)(to - text)};
}

static _Noreturn void usage(void) {
	fprintf(stderr, "usage: load [-k] [-c CLIENTS] [-m MILLISECONDS] [-s TEXT] REPLY PORT\n");
	exit(2);
}

int main(int argc, char **argv) {
	for (int option; (option = getopt(argc, argv, "kc:m:s:")) != -1;) switch (option) {
		case 'k': load.keeps = true; break;
		case 'c': load.clients = (size_t)atoi(optarg); break;
		case 'm': load.span = atoi(optarg) * INT64_C(1000); break;
		case 's': load.request = read_text(optarg); break;
		default: usage();
		}
	if (argc - optind != 2 || load.clients < 1 || load.clients > CLIENTS_MAX || load.span <= 0) usage();
	load.reply = read_text(argv[optind]);
	load.address = (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(argv[optind + 1])),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	print_results(run());
	return 0;
}
