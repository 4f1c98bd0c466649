/*
 * Commands about this session.
 */
#include <stdio.h>

#include "../commands.h"

enum session command_exit(const struct text *arguments, size_t count) {
	static const struct text farewell = TEXT("bye");

	(void)arguments;
	(void)count;
	reply_result(farewell);
	return SESSION_ENDS;
}

enum session command_peer(const struct text *arguments, size_t count) {
	static const struct text nobody = TEXT("-");
	struct peer peer;
	char result[PEER_ADDRESS_SIZE + PEER_PORT_SIZE + 2];

	(void)arguments;
	(void)count;
	if (!peer_find(&peer)) {
		reply_result(nobody);
		return SESSION_GOES_ON;
	}
	snprintf(result, sizeof result, "%s<>%s", peer.address, peer.port);
	reply_result(text_from_string(result));
	return SESSION_GOES_ON;
}
