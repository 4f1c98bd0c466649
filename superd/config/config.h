/* SPDX-License-Identifier: ISC */
/*
 * config: from text to `struct service`, without a socket, a clock or a child. A service has a field for every attribute,
 * and is constant once it is loaded. Below it stands what it is made from: the command line and the files.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "../base/base.h"

#define UNSET LONG_MIN /* a number that nothing has set */

enum { UNLIMITED = -1, ID_MAX_LENGTH = 63 };

/* One assignment as it was written. */
enum operation { OPERATION_SET, OPERATION_ADD, OPERATION_REMOVE };
struct assignment {
	struct assignment *next;
	const char *name;
	const struct attr *attr; /* NULL: there is none of that name */
	enum operation operation;
	struct words words;
	struct location location;
};

/* One prefix of an address list. A .domain, or a name without an address, matches nothing. */
enum { MATCHES_NOTHING = 1000 };
struct address_rule {
	const char *word; /* that it is from, the nth of the value */
	struct source source;
	unsigned bits, nth;
};

struct prefix {
	struct source source;
	unsigned bits;
};

struct address_list {
	struct address_rule *rules; /* as they are written, while the configuration is loaded */
	struct prefix *prefixes;    /* to match with: in order, and none within another */
	struct words *domains;      /* NULL: none */
	uint64_t hash;              /* of what they match */
	unsigned count, words, prefix_count;
	bool set, has_all_ipv4, has_ipv6;
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

/* A name that was looked up when the configuration was loaded: a user with its group, or a group. */
struct identity {
	const char *word;
	const char *name, *home,
	    *shell; /* while the configuration is loaded; NULL: the user has no entry in /etc/passwd */
	uid_t uid;
	gid_t gid;
	bool set, group_set;
};

struct user_groups {
	gid_t *ids;
	size_t count;
};

struct banner {
	char *text;
	size_t length;
};

struct log_type {
	int priority;
	const char *file;
	int64_t soft, hard;
	bool set;
};

struct redirect {
	const char *host, *port;
	struct endpoint to;
};

/* clang-format off */
enum service_bit { /* of type and of flags, which have none in common */
	TYPE_INTERNAL = 1, TYPE_UNLISTED = 2, FLAG_NAMEINARGS = 4, FLAG_NODELAY = 8, FLAG_KEEPALIVE = 16, FLAG_IPV4 = 32,
	FLAG_IPV6 = 64, FLAG_SENSOR = 128, FLAG_NORETRY = 256
};
enum limit {
	LIMIT_AS, LIMIT_CORE, LIMIT_CPU, LIMIT_DATA, LIMIT_FILES, LIMIT_FSIZE, LIMIT_NPROC, LIMIT_RSS, LIMIT_STACK, LIMITS
};
enum log_item {
	LOG_ITEM_PID = 1, LOG_ITEM_HOST = 2, LOG_ITEM_EXIT = 4, LOG_ITEM_DURATION = 8, LOG_ITEM_TRAFFIC = 16,
	LOG_ITEM_NO_FIELD = 32 /* the line alone */
};
/* clang-format on */
enum { STDERR_CLIENT, STDERR_LOG };
enum { ON_LIMIT_REFUSE, ON_LIMIT_WAIT };
enum { DENY_NEVER = 0, DENY_FOREVER = -1 };

/* What superd itself can be instead of a program. */
enum internal { INTERNAL_NONE, INTERNAL_ECHO, INTERNAL_DISCARD, INTERNAL_CHARGEN, INTERNAL_DAYTIME, INTERNAL_TIME };

/* One service as it was configured. Numbers are `long`, so that one function reads all of them. */
struct service {
	struct arena *arena;
	int references;
	struct service *defaults; /* what this is a copy of, and shares memory with; NULL: it is `defaults` itself */
	const char *name;
	size_t nth; /* of the services with that id in its configuration, from 0 */
	struct location location;
	bool from_command_line;
	uint64_t fingerprint; /* two services with the same one are the same */

	/* while the configuration is loaded: its block, and what each attribute of the table was set to, and where */
	struct config *config;
	const struct block *block;
	struct assignment **values;

	const char *id, *protocol;
	long type, flags, disable, socket_type, wait, v6only, port, backlog, socket_mode;
	struct words enabled, disabled, bind;
	struct identity socket_user;
	struct redirect redirect;

	struct address_list only_from, no_access, proxy_from, no_log_from;
	struct times access_times;
	struct rate cps;
	long deny_time, instances, per_source, per_source_cps, per_source_prefix6, max_load, on_limit;

	const char *server, *directory, *chroot;
	struct words command, server_args, env, passenv;
	struct identity user, group;
	int64_t rlimits[LIMITS]; /* UNSET, UNLIMITED: as of a long */
	long groups, nice, umask, no_new_privs, stderr_to, time_limit, drain_time, linger;

	struct banner banner, banner_success, banner_fail;
	struct log_type log_type;
	long log_on_success, log_on_failure;

	const char *libwrap, *mdns, *rpc_version; /* not used */
	long rpc_number;

	/* made from the fields above by service_resolve */
	int protocol_number;
	struct endpoint *addresses;
	size_t address_count;
	bool any_loopback; /* an address whose family is missing may be left out */
	enum internal internal;
	bool is_internal; /* no program: an internal service, a redirection or a sensor */
	const char *path, *relative_path;
	char **argv, **environment;
	size_t environment_count;
	bool change_user, change_directory, change_umask;
	const struct user_groups *user_groups; /* NULL: none */
};

/* What the command line asked for. */
struct options {
	struct arena *arena; /* of the lists */
	bool check, numeric, quiet, verbose;
	const struct source *client; /* of -C, or NULL */
	const struct named_value *facility;
	const char *pid_file, *metrics_file;
	int ready_fd;
	const char *port, *user;
	struct words addresses, paths, assignments;
	char **program; /* with its arguments, or NULL */
};

/* `service NAME { ... }`, `defaults { ... }`, or the command line, as it was written. */
struct block {
	struct block *next;
	const char *name;
	struct location location;
	bool is_broken;
	struct assignment *assignments, **last;
};

/* What the options name, read and resolved. */
struct config {
	const struct options *options;
	struct arena *loading; /* the text, and what is made of it on the way to services */
	struct service **services;
	size_t count;
	struct service **failed; /* those in error, of which only the id and the number are sure to be set */
	size_t failed_count;
	int errors;
	size_t left_out, disabled;    /* services */
	bool defaults_broken, broken; /* an error in `defaults`; one outside the blocks */

	/* for the files of this folder */
	struct block *defaults, **last; /* the blocks: `defaults`, which is there in any case, then the services */
	struct service *common;         /* made of `defaults` */
	struct hash slots;              /* of lookup.c */
	struct service *unfinished;     /* the one that is made; service_new sets it */
	FILE *file;                     /* that is being read */
	void (*meanwhile)(void);        /* of config_load */
	unsigned steps;
	bool has_ports;  /* /etc/services has been read */
	bool has_unread; /* a file or a directory could not be read */
	int files;
};

/* config.c: blocks to services */
void config_load(const struct options *options, struct config *config, void (*meanwhile)(void));
void config_free(struct config *config);

/* block.c: what was written */
void block_step(struct config *config);
char *block_name(struct config *config, const char *path);
struct block *block_add(struct config *config, const char *name, const struct location *location);
struct assignment *block_assign(
    struct config *config, struct block *block, const char *name, const struct location *location);

/* parse.c: files to blocks */
void parse_path(struct config *config, const char *path);
struct assignment *parse_option(struct config *config, struct block *block, const char *text);

/* inetd.c: a line of inetd.conf(5) to a block */
bool inetd_read_line(
    struct config *config, const struct location *here, char *first, const char *rest, const char **address);

/* command.c: the command line to a block */
void command_read(struct config *config);
const char *command_find_in_path(struct arena *arena, const char *name);

/* shell_words.c: values with quotes */
char *shell_find_line_end(char *line, const char *end);
int shell_split(struct arena *arena, struct words *words, char *text, bool takes_comment, struct error *error);
bool shell_are_plain(const struct words *words);
void shell_print(const char *word, FILE *to);

/* service.c: from attributes to what is ready to run */
struct service *service_new(struct service *defaults, const char *name, const struct location *location);
int service_resolve(struct service *service);
struct service *service_copy(struct service *original, const char *id);
struct service *service_retain(struct service *service);
void service_release(struct service *service);

/* attr.c: one row an attribute */
const struct attr *attr_find(const char *name);
bool attr_is_near(const char *a, const char *b);
int attr_apply(struct service *service, struct assignment *assignment);
void attr_set(struct service *service, const char *name, const char *text);
bool attr_has_word(const struct service *service, const char *name, const char *word);
int attr_fail(const struct service *service, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
const struct location *attr_location(const struct service *service, const char *name);
const char *attr_find_word(const struct service *service, const char *name, size_t nth, struct location *location);
void attr_begin(struct service *service);
uint64_t attr_hash(const struct service *service);
void attr_print_service(const struct service *service, FILE *to);
void attr_print_table(FILE *to);

/* addr_rule.c: how clients match address lists */
void addr_list_sort(struct arena *arena, struct address_list *list);
const struct address_rule *addr_list_find(const struct address_list *list, struct source source);
bool addr_list_matches(const struct address_list *list, struct source source);
bool addr_lists_admit(const struct service *service, struct source source);

/* attr_types.c: the limits as setrlimit(2) knows them */
extern const int rlimit_resources[LIMITS];

/* trust.c: what others could change */
enum { INTERPRETER_SIZE = 256 }; /* as much of a first line as the kernel reads */
void trust_check(struct config *config, const char *path, uid_t user, const struct location *location);
void trust_check_folder(struct config *config, const char *path, const struct location *location);
void trust_check_program(
    struct config *config, const char *root, const char *program, uid_t user, const struct location *location);
const char *trust_find_interpreter(const char *path, char name[INTERPRETER_SIZE]);

/* lookup.c: what is found by a text */
const void **lookup_slot(struct config *config, const void *table, const char *text);
const char *lookup_port(struct config *config, const char *name, const char *protocol);

#endif
