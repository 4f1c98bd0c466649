/* SPDX-License-Identifier: ISC */
/*
 * stream FILE PORT: send FILE to 127.0.0.1:PORT, close the sending side, and at the same time copy everything that the
 * server sends to stdout. Exit status: 0 the server closed the connection without an error, 1 otherwise.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK_SIZE = 1024 * 1024 };

static _Noreturn void fail(const char *what) {
	perror(what);
	exit(1);
}

static int connect_to(const char *port) {
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
	return fd;
}

static _Noreturn void send_all(int file, int fd) {
	ssize_t count;
	while ((count = sendfile(fd, file, NULL, BLOCK_SIZE)) > 0)
		;
	if (count < 0) fail("sendfile");
	shutdown(fd, SHUT_WR);
	_exit(0);
}

static void write_all(const char *bytes, ssize_t length) {
	for (ssize_t done = 0, count; done < length; done += count) {
		count = write(STDOUT_FILENO, bytes + done, (size_t)(length - done));
		if (count < 0) fail("write");
	}
}

int main(int argc, char **argv) {
	static char bytes[BLOCK_SIZE];
	ssize_t count;
	int status = 1;
	if (argc != 3) {
		fprintf(stderr, "usage: stream FILE PORT\n");
		return 2;
	}
	int file = open(argv[1], O_RDONLY);
	if (file < 0) fail(argv[1]);
	int fd = connect_to(argv[2]);
	pid_t sender = fork();
	if (sender < 0) fail("fork");
	if (sender == 0) send_all(file, fd);
	while ((count = read(fd, bytes, sizeof bytes)) > 0) write_all(bytes, count);
	if (count < 0) fail("read");
	waitpid(sender, &status, 0);
	return status == 0 ? 0 : 1;
}
