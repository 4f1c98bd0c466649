/*
 * service: what superd is asked for. A service is what one service of a configuration is, with the kinds of values that
 * its attributes have, and constant once it is loaded; below it what it comes from, the command line and the files.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define UNSET LONG_MIN /* a number that nothing has set */

enum { UNLIMITED = -1, RLIMITS = 6 };

/* Where a word of the configuration stands; line 0: `file` is a name for the command line. */
struct place {
	const char *file;
	int line;
};

/* Why something cannot be: the text that a function leaves when it returns -1, and where, if it knows. */
struct reason {
	struct place place;
	char text[400];
};

struct arena;

struct words {
	const char **word;
	size_t count;
	bool set;
};

/* One assignment as it was written, not yet understood. */
enum operation { OPERATION_SET, OPERATION_ADD, OPERATION_REMOVE };
struct entry {
	struct entry *next;
	const char *name;
	enum operation operation;
	struct words words;
	struct place place;
};

/* A socket address, its family in any.sa_family. */
struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} at;
	socklen_t length;
};

/* Who a peer is, for access and for limits: an IPv6 address (IPv4 mapped into it), or a user id. */
struct source {
	uint64_t high, low;
};

struct prefix {
	struct source source;
	unsigned bits;
};

/* One word of only_from and the like, and the prefixes that it stands for (none for a .domain). */
struct address_rule {
	const char *word;
	struct prefix *prefixes;
	size_t count;
};

struct address_list {
	struct address_rule *rules;
	size_t count;
	bool set, domains;
};

struct minutes {
	int from, to;
};

struct times {
	struct minutes *spans;
	size_t count;
};

struct rate {
	long connections, seconds;
};

/* A name that was looked up at load: a user with its group, or a group. */
struct identity {
	const char *word, *name;
	uid_t uid;
	gid_t gid;
	bool set, group_set;
};

struct banner {
	char *text;
	size_t length;
};

struct log_type {
	int priority;
	const char *file;
	long soft, hard;
	bool set;
};

struct redirect {
	const char *host, *port;
	struct endpoint to;
};

/* clang-format off */
enum service_type { TYPE_INTERNAL = 1, TYPE_UNLISTED = 2, TYPE_RPC = 4, TYPE_TCPMUX = 8, TYPE_TCPMUXPLUS = 16 };
enum service_flag {
	FLAG_NAMEINARGS = 1, FLAG_NODELAY = 2, FLAG_KEEPALIVE = 4, FLAG_IPV4 = 8, FLAG_IPV6 = 16, FLAG_SENSOR = 32,
	FLAG_NORETRY = 64, FLAG_IDONLY = 128, FLAG_INTERCEPT = 256, FLAG_LABELED = 512
};
enum log_item {
	LOG_ITEM_PID = 1, LOG_ITEM_HOST = 2, LOG_ITEM_USERID = 4, LOG_ITEM_EXIT = 8, LOG_ITEM_DURATION = 16,
	LOG_ITEM_TRAFFIC = 32, LOG_ITEM_ATTEMPT = 64
};
/* clang-format on */
enum { STDERR_CLIENT, STDERR_LOG };
enum { ON_LIMIT_REFUSE, ON_LIMIT_WAIT };
enum { DENY_NEVER = 0, DENY_FOREVER = -1 };

struct builtin;

/* One service as it was configured. Constant once loaded; numbers are `long` so that one reader serves all. */
struct service {
	struct arena *arena;
	const char *name;
	struct place place;
	bool from_command_line;
	uint64_t fingerprint; /* of the whole service as it prints */

	/* while it is loaded: what each attribute of the table was set to, and where */
	struct arena *loading;
	struct entry *values;

	const char *id;
	long type, flags;
	long socket_type;
	const char *protocol;
	long wait, disable, v6only, port, backlog, socket_mode;
	struct words bind;
	struct identity socket_user;
	struct redirect redirect;
	struct words enabled, disabled;

	struct address_list only_from, no_access, proxy_from;
	struct times access_times;
	long deny_time;

	long instances, per_source, per_source_cps, per_source_prefix6, max_load, on_limit;
	struct rate cps;

	const char *server;
	struct words server_args, env, passenv;
	struct identity user, group;
	long groups, nice, umask, rlimits[RLIMITS];
	const char *directory, *chroot;
	long no_new_privs, stderr_to, time_limit, drain_time, linger;

	struct banner banner, banner_success, banner_fail;
	struct log_type log_type;
	long log_on_success, log_on_failure;
	const char *libwrap, *mdns, *rpc_version;
	long rpc_number;

	/* made from the above by service_resolve */
	int protocol_number;
	struct endpoint *addresses;
	size_t address_count;
	bool any_loopback; /* an address whose family is missing may be left out */
	const struct builtin *builtin;
	bool is_internal; /* no program: a builtin, a redirection or a sensor */
	const char *path, *relative_path;
	char **argv, **environment;
	size_t environment_count;
	bool change_user, change_directory, change_umask;
	gid_t *group_ids;
	size_t group_count;
};

/* A word that may be a value, and what it stands for. A list of them ends with a NULL name. */
struct attr_word {
	const char *name;
	long value;
};

/* What the command line asked for. */
struct options {
	struct arena *arena; /* of the lists */
	bool check, numeric, quiet, verbose;
	const struct attr_word *facility;
	const char *pid_file, *metrics_file;
	int ready_fd;
	const char *port, *user;
	struct words addresses, paths, assignments;
	char **program; /* with its arguments, or NULL */
};

/* `service NAME { ... }`, or `defaults { ... }`, as it was written. */
struct block {
	struct block *next;
	const char *name;
	struct place place;
	bool is_defaults, broken;
	int count;
	struct entry *entries, **last;
};

/* What the options name, read and resolved. */
struct config {
	const struct options *options;
	struct arena *loading; /* the text, and the lists of this struct */
	struct service **services;
	size_t count;
	struct words failed; /* the ids of services in error */
	int errors;
	bool defaults_broken, broken; /* an error in `defaults`; one outside the blocks */
	struct block *blocks, **last; /* what lex.c has read, for config.c */
	struct block *defaults;
	struct service *common; /* what `defaults` alone make: enabled and disabled */
	int files;
};

#endif
