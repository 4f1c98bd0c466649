/* SPDX-License-Identifier: ISC */
/*
 * echo: send back the input, and do nothing else. No handler can answer one request at a time faster.
 */
#include <unistd.h>

int main(void) {
	static char bytes[65536];
	ssize_t length;
	while ((length = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
		for (ssize_t done = 0, count; done < length; done += count) {
			count = write(STDOUT_FILENO, bytes + done, (size_t)(length - done));
			if (count < 0) return 1;
		}
	return length < 0 ? 1 : 0;
}
