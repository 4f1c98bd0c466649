/* SPDX-License-Identifier: ISC */
/*
 * limit PORT PROGRAM: the reference server: accept, vfork and exec in an endless loop, and nothing else. No server that
 * starts a program for each connection can be faster. It has no log and no limits, handles no signal, and ignores the
 * exit status of its children.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_listener(const char *port) {
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0) {
		perror("limit");
		exit(1);
	}
	return fd;
}

static _Noreturn void serve(int listener, char *program) {
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) continue;
		if (vfork() == 0) {
			dup2(fd, STDIN_FILENO);
			dup2(fd, STDOUT_FILENO);
			execl(program, program, (char *)NULL);
			_exit(111);
		}
		close(fd);
	}
}

int main(int argc, char **argv) {
	if (argc != 3) {
		fprintf(stderr, "usage: limit PORT PROGRAM\n");
		return 2;
	}
	int listener = open_listener(argv[1]);
	signal(SIGCHLD, SIG_IGN); /* the kernel reaps the children */
	serve(listener, argv[2]);
}
