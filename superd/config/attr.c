/* SPDX-License-Identifier: ISC */
/*
 * attr: the attribute table, one row an attribute, and what is done with rows: applying an assignment to a
 * service, printing a service, printing the table. The command line and the configuration file read the same rows.
 */
#include "attr.h"

#include <stdarg.h>
#include <strings.h>

#define NOT_IN_DEFAULTS "not an attribute of defaults"

#define F(member) offsetof(struct service, member)

/* The words that rows take; one that does nothing, or with which a service is left out, is 0. */
static const struct named_value yes_no[] = {{"yes", true}, {"no", false}, {NULL, 0}};
static const struct named_value socket_types[] = {
    {"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {"seqpacket", SOCK_SEQPACKET}, {NULL, 0}};
static const struct named_value service_types[] = {
    {"INTERNAL", TYPE_INTERNAL}, {"UNLISTED", TYPE_UNLISTED}, {"RPC", 0}, {"TCPMUX", 0}, {"TCPMUXPLUS", 0}, {NULL, 0}};
static const struct named_value flags[] = {{"REUSE", 0}, {"NAMEINARGS", FLAG_NAMEINARGS}, {"NODELAY", FLAG_NODELAY},
    {"KEEPALIVE", FLAG_KEEPALIVE}, {"IPv4", FLAG_IPV4}, {"IPv6", FLAG_IPV6}, {"NORETRY", FLAG_NORETRY}, {"IDONLY", 0},
    {"NOLIBWRAP", 0}, {"SENSOR", FLAG_SENSOR}, {"INTERCEPT", 0}, {"LABELED", 0}, {NULL, 0}};
static const struct named_value success_items[] = {{"PID", LOG_ITEM_PID}, {"HOST", LOG_ITEM_HOST},
    {"USERID", LOG_ITEM_NO_FIELD}, {"EXIT", LOG_ITEM_EXIT}, {"DURATION", LOG_ITEM_DURATION},
    {"TRAFFIC", LOG_ITEM_TRAFFIC}, {NULL, 0}};
static const struct named_value failure_items[] = {
    {"HOST", LOG_ITEM_HOST}, {"USERID", LOG_ITEM_NO_FIELD}, {"ATTEMPT", LOG_ITEM_NO_FIELD}, {NULL, 0}};
static const struct named_value on_limit[] = {{"refuse", ON_LIMIT_REFUSE}, {"wait", ON_LIMIT_WAIT}, {NULL, 0}};
static const struct named_value stderr_ways[] = {{"client", STDERR_CLIENT}, {"log", STDERR_LOG}, {NULL, 0}};

/* name, kind of value, field, scope, what it is unless set: doc; then the words or the bounds */
/* clang-format off */
static const struct attr table[] = {
	{.name = "id", .type = &attr_text, .field = F(id), .scope = IN_SERVICE, .unless_set = "the service's name", .doc = "the name in logs, enabled and disabled"},
	{.name = "type", .type = &attr_bits, .field = F(type), .scope = IN_SERVICE, .words = service_types, .doc = "INTERNAL: superd is the program; UNLISTED: not in /etc/services"},
	{.name = "flags", .type = &attr_bits, .field = F(flags), .scope = IN_SERVICE, .words = flags, .doc = "switches of the socket and the program"},
	{.name = "disable", .type = &attr_word, .field = F(disable), .scope = IN_SERVICE, .default_text = "no", .words = yes_no, .doc = "leave this service out"},
	{.name = "enabled", .type = &attr_word_set, .field = F(enabled), .scope = IN_DEFAULTS, .doc = "the only services that run, by id"},
	{.name = "disabled", .type = &attr_word_set, .field = F(disabled), .scope = IN_DEFAULTS, .doc = "services left out, by id"},

	{.name = "socket_type", .type = &attr_word, .field = F(socket_type), .scope = IN_SERVICE, .words = socket_types, .unless_set = "the protocol's", .doc = "the kind of socket"},
	{.name = "protocol", .type = &attr_text, .field = F(protocol), .scope = IN_SERVICE, .unless_set = "the socket_type's", .doc = "a name in /etc/protocols"},
	{.name = "wait", .type = &attr_word, .field = F(wait), .scope = IN_SERVICE, .words = yes_no, .doc = "yes: one program gets the listening socket itself"},
	{.name = "port", .type = &attr_number, .field = F(port), .scope = IN_SERVICE, .max = 65535, .unless_set = "from /etc/services", .doc = "the port; 0: the kernel chooses"},
	{.name = "bind", .type = &attr_hosts, .field = F(bind), .scope = IN_BOTH, .unless_set = "every interface", .doc = "where to listen: addresses, host names, * or a path"},
	{.name = "interface", .type = &attr_hosts, .field = F(bind), .scope = IN_BOTH, .doc = "another name for bind"},
	{.name = "v6only", .type = &attr_word, .field = F(v6only), .scope = IN_BOTH, .default_text = "no", .words = yes_no, .doc = "an IPv6 socket takes no IPv4"},
	{.name = "backlog", .type = &attr_number, .field = F(backlog), .scope = IN_BOTH, .default_text = "65535", .max = INT_MAX, .doc = "connections that may wait to be accepted, up to the kernel's limit"},
	{.name = "socket_mode", .type = &attr_octal, .field = F(socket_mode), .scope = IN_SERVICE, .default_text = "0600", .max = 0777, .doc = "the mode of a UNIX-domain socket"},
	{.name = "socket_user", .type = &attr_owner, .field = F(socket_user), .scope = IN_SERVICE, .unless_set = "superd's user", .doc = "the owner of a UNIX-domain socket"},
	{.name = "redirect", .type = &attr_redirect, .field = F(redirect), .scope = IN_SERVICE, .doc = "pass the connection on to this host and port"},

	{.name = "only_from", .type = &attr_addresses, .field = F(only_from), .scope = IN_BOTH, .unless_set = "all", .doc = "the clients that may connect; set but empty: none"},
	{.name = "no_access", .type = &attr_addresses, .field = F(no_access), .scope = IN_BOTH, .doc = "the clients that may not connect, whatever only_from has"},
	{.name = "access_times", .type = &attr_times, .field = F(access_times), .scope = IN_BOTH, .unless_set = "always", .doc = "when clients may connect, in local time, both ends included"},
	{.name = "proxy_from", .type = &attr_addresses, .field = F(proxy_from), .scope = IN_BOTH, .doc = "peers that must send a PROXY protocol header"},
	{.name = "deny_time", .type = &attr_minutes, .field = F(deny_time), .scope = IN_BOTH, .default_text = "NEVER", .max = INT_MAX, .doc = "minutes that every service refuses a client of a SENSOR"},

	{.name = "instances", .type = &attr_limit, .field = F(instances), .scope = IN_BOTH, .default_text = "UNLIMITED", .max = INT_MAX, .doc = "programs that may run at once"},
	{.name = "per_source", .type = &attr_limit, .field = F(per_source), .scope = IN_BOTH, .default_text = "UNLIMITED", .max = INT_MAX, .doc = "programs that may run at once for one source"},
	{.name = "per_source_cps", .type = &attr_number, .field = F(per_source_cps), .scope = IN_BOTH, .max = INT_MAX, .unless_set = "no limit", .doc = "connections a second that one source may open"},
	{.name = "per_source_prefix6", .type = &attr_number, .field = F(per_source_prefix6), .scope = IN_BOTH, .default_text = "64", .min = 1, .max = 128, .doc = "how many bits of an IPv6 address make one source"},
	{.name = "cps", .type = &attr_rate, .field = F(cps), .scope = IN_BOTH, .default_text = "50 10", .max = INT_MAX, .doc = "connections a second, and the seconds without new ones past that rate; 0: no limit"},
	{.name = "max_load", .type = &attr_load, .field = F(max_load), .scope = IN_BOTH, .doc = "refuse at this one-minute load or more"},
	{.name = "on_limit", .type = &attr_word, .field = F(on_limit), .scope = IN_BOTH, .default_text = "refuse", .words = on_limit, .doc = "at instances and cps: close the connection, or let it wait in the backlog"},

	{.name = "command", .type = &attr_command, .field = F(command), .scope = IN_SERVICE, .doc = "the program and its arguments, in place of server and server_args; quoted as in sh(1)"},
	{.name = "server", .type = &attr_path, .field = F(server), .scope = IN_SERVICE, .doc = "the program"},
	{.name = "server_args", .type = &attr_list, .field = F(server_args), .scope = IN_SERVICE, .doc = "its arguments, without its own name unless NAMEINARGS"},
	{.name = "user", .type = &attr_user, .field = F(user), .scope = IN_SERVICE, .doc = "the user that the program runs as"},
	{.name = "group", .type = &attr_group, .field = F(group), .scope = IN_SERVICE, .unless_set = "the user's own", .doc = "its group"},
	{.name = "groups", .type = &attr_word, .field = F(groups), .scope = IN_BOTH, .default_text = "no", .words = yes_no, .doc = "the user's supplementary groups too"},
	{.name = "env", .type = &attr_environment, .field = F(env), .scope = IN_SERVICE, .doc = "variables to add, NAME=VALUE"},
	{.name = "passenv", .type = &attr_word_set, .field = F(passenv), .scope = IN_BOTH, .unless_set = "all", .doc = "the variables of superd's environment that are passed on"},
	{.name = "directory", .type = &attr_directory, .field = F(directory), .scope = IN_BOTH, .default_text = "/", .doc = "where the program starts"},
	{.name = "chroot", .type = &attr_path, .field = F(chroot), .scope = IN_SERVICE, .doc = "its root directory"},
	{.name = "nice", .type = &attr_number, .field = F(nice), .scope = IN_BOTH, .min = -40, .max = 40, .doc = "added to the priority, as nice(2) does"},
	{.name = "umask", .type = &attr_octal, .field = F(umask), .scope = IN_BOTH, .max = 0777, .unless_set = "superd's own and 022", .doc = "the file mode creation mask"},
	{.name = "no_new_privs", .type = &attr_word, .field = F(no_new_privs), .scope = IN_BOTH, .default_text = "no", .words = yes_no, .doc = "the program can gain no privilege by exec (Linux)"},
	{.name = "stderr", .type = &attr_word, .field = F(stderr_to), .scope = IN_BOTH, .default_text = "client", .words = stderr_ways, .doc = "what descriptor 2 is: the connection, or superd's own stderr"},
	{.name = "rlimit_as", .type = &attr_rlimit_bytes, .field = F(rlimits[LIMIT_AS]), .scope = IN_BOTH, .min = 1, .max = INT64_MAX, .doc = "bytes of address space"},
	{.name = "rlimit_core", .type = &attr_rlimit_bytes, .field = F(rlimits[LIMIT_CORE]), .scope = IN_BOTH, .max = INT64_MAX, .doc = "bytes of a core file"},
	{.name = "rlimit_cpu", .type = &attr_rlimit, .field = F(rlimits[LIMIT_CPU]), .scope = IN_BOTH, .max = INT64_MAX, .doc = "seconds of processor time; 0: no limit"},
	{.name = "rlimit_data", .type = &attr_rlimit_bytes, .field = F(rlimits[LIMIT_DATA]), .scope = IN_BOTH, .min = 1, .max = INT64_MAX, .doc = "bytes of data"},
	{.name = "rlimit_files", .type = &attr_rlimit, .field = F(rlimits[LIMIT_FILES]), .scope = IN_BOTH, .max = INT64_MAX, .doc = "open descriptors"},
	{.name = "rlimit_fsize", .type = &attr_rlimit_bytes, .field = F(rlimits[LIMIT_FSIZE]), .scope = IN_BOTH, .max = INT64_MAX, .doc = "bytes of a file that the program writes"},
	{.name = "rlimit_nproc", .type = &attr_rlimit, .field = F(rlimits[LIMIT_NPROC]), .scope = IN_BOTH, .max = INT64_MAX, .doc = "processes of the user"},
	{.name = "rlimit_rss", .type = &attr_rlimit_bytes, .field = F(rlimits[LIMIT_RSS]), .scope = IN_BOTH, .max = INT64_MAX, .doc = "bytes of resident memory"},
	{.name = "rlimit_stack", .type = &attr_rlimit_bytes, .field = F(rlimits[LIMIT_STACK]), .scope = IN_BOTH, .min = 1, .max = INT64_MAX, .doc = "bytes of stack"},
	{.name = "time_limit", .type = &attr_number, .field = F(time_limit), .scope = IN_BOTH, .default_text = "0", .max = INT_MAX, .doc = "seconds that a program may run; 0: no limit"},
	{.name = "drain_time", .type = &attr_number, .field = F(drain_time), .scope = IN_BOTH, .default_text = "30", .max = INT_MAX, .doc = "seconds that a stop waits for programs"},
	{.name = "linger", .type = &attr_number, .field = F(linger), .scope = IN_BOTH, .default_text = "0", .max = INT_MAX, .doc = "seconds to wait for the client to close after the program has ended"},

	{.name = "banner", .type = &attr_banner, .field = F(banner), .scope = IN_BOTH, .doc = "a file that every client is sent first"},
	{.name = "banner_success", .type = &attr_banner, .field = F(banner_success), .scope = IN_BOTH, .doc = "a file for clients that are admitted"},
	{.name = "banner_fail", .type = &attr_banner, .field = F(banner_fail), .scope = IN_BOTH, .doc = "a file for clients that are refused"},
	{.name = "log_type", .type = &attr_log, .field = F(log_type), .scope = IN_BOTH, .max = INT64_MAX, .unless_set = "superd's log", .doc = "where START, EXIT and FAIL lines go"},
	{.name = "log_on_success", .type = &attr_bit_set, .field = F(log_on_success), .scope = IN_BOTH, .words = success_items, .doc = "what START and EXIT lines contain"},
	{.name = "log_on_failure", .type = &attr_bit_set, .field = F(log_on_failure), .scope = IN_BOTH, .words = failure_items, .doc = "what FAIL lines contain"},
	{.name = "no_log_from", .type = &attr_addresses, .field = F(no_log_from), .scope = IN_BOTH, .doc = "clients whose START and EXIT are not logged, and whose refusals are only counted"},

	{.name = "libwrap", .type = &attr_ignored, .field = F(libwrap), .scope = IN_SERVICE, .doc = "ignored, with a warning: superd does not read hosts.allow and hosts.deny"},
	{.name = "mdns", .type = &attr_ignored, .field = F(mdns), .scope = IN_BOTH, .words = yes_no, .doc = "ignored, with a warning: superd does not announce services"},
	{.name = "rpc_version", .type = &attr_text, .field = F(rpc_version), .scope = IN_SERVICE, .doc = "of an RPC service, which superd leaves out"},
	{.name = "rpc_number", .type = &attr_number, .field = F(rpc_number), .scope = IN_SERVICE, .max = INT_MAX, .doc = "of an RPC service, which superd leaves out"},
};
/* clang-format on */

/* The attribute of that name, in any case, or NULL. Most differ in the first letter. */
const struct attr *attr_find(const char *name) {
	if (strcasecmp(name, "interface") == 0) name = "bind";
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++)
		if ((attr->name[0] ^ name[0]) % 32 == 0 && strcasecmp(attr->name, name) == 0) return attr;
	return NULL;
}

/* Whether two words differ in one letter more, fewer or another, or in two that are swapped. */
bool attr_is_near(const char *a, const char *b) {
	while (*a != '\0' && strncasecmp(a, b, 1) == 0) a++, b++;
	size_t m = strlen(a), n = strlen(b);
	bool is_swapped = m > 1 && n > 1 && strncasecmp(a, b + 1, 1) == 0 && strncasecmp(a + 1, b, 1) == 0 &&
			  strcasecmp(a + 2, b + 2) == 0;
	for (; m > 0 && n > 0 && strncasecmp(a + m - 1, b + n - 1, 1) == 0; m--) n--;
	return is_swapped || (m <= 1 && n <= 1);
}

static const struct attr *find_near(const char *name) {
	const struct attr *attr = table;
	while (attr < table + LENGTH(table) && !attr_is_near(name, attr->name)) attr++;
	return attr < table + LENGTH(table) ? attr : NULL;
}

/* Where the service keeps the assignment that an attribute's value is from: NULL if nothing has set it. */
static struct assignment **value_of(const struct service *service, const struct attr *attr) {
	return &service->values[attr - table];
}

/* Reads the words of a value, from `first` on, into a field of the service. Returns 0, or -1 and an error. */
static int read_words(const struct service *service, const struct attr *attr, const struct assignment *value,
    size_t first, void *field, struct error *error) {
	struct reading in = {service->arena, service->config, attr, value->words.word, value->words.count, first,
	    &value->location, error};
	return attr->type->read(field, &in);
}

static int read_value(struct service *service, const struct attr *attr, size_t first, struct error *error) {
	return read_words(service, attr, *value_of(service, attr), first, (char *)service + attr->field, error);
}

/* Whether the attribute takes such an assignment, in `defaults` or in a service. Returns 0, or -1 and an error. */
static int check(const struct assignment *assignment, bool in_defaults, struct error *error) {
	enum attr_scope scope = assignment->attr->scope;
	const struct attr_type *type = assignment->attr->type;
	const struct words *words = &assignment->words;
	if (in_defaults && !(scope & IN_DEFAULTS)) return error_set(error, NOT_IN_DEFAULTS);
	if (!in_defaults && !(scope & IN_SERVICE)) return error_set(error, "an attribute of defaults only");
	if (assignment->operation != OPERATION_SET && !type->is_set) return error_set(error, "takes only '='");
	if (words->count < type->least)
		return error_set(error, "needs %s", type->least == 1 ? "a value" : "more values");
	if (words->count <= type->most) return 0;
	return error_set(error, "too many values, from '%s' on", words->word[type->most]);
}

static bool contains(const struct words *words, const char *word) {
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->word[i], word) == 0) return true;
	return false;
}

static void add_word(struct config *config, struct assignment *value, const char *word) {
	*lookup_slot(config, value, word) = word;
	words_add(config->loading, &value->words, word);
}

/*
 * Whether each word to remove can be in such a value. One that is not in an address list is a mistake, which would admit
 * clients that are meant to be refused. Returns 0, or -1 and an error.
 */
static int check_removal(const struct service *service, const struct assignment *assignment, struct error *error) {
	const struct assignment *value = *value_of(service, assignment->attr);
	const struct words *words = &assignment->words;
	long unknown_words;
	if (assignment->attr->words != NULL)
		return read_words(service, assignment->attr, assignment, 0, &unknown_words, error);
	for (size_t i = 0; i < words->count && assignment->attr->type == &attr_addresses; i++)
		if (value == NULL || *lookup_slot(service->config, value, words->word[i]) == NULL)
			return error_set(error, "'%s' is not in the list", words->word[i]);
	return 0;
}

/*
 * Applies an assignment to the value of a set: = begins again (in `defaults` it adds), += adds what is new, -= takes away.
 * A value that the service has from `defaults` is copied first. Returns the first word of the value that is not read yet.
 */
static size_t merge(struct service *service, const struct assignment *assignment, bool is_own) {
	struct config *config = service->config;
	struct assignment **value = value_of(service, assignment->attr);
	const struct words *words = &assignment->words;
	struct words before = {0};
	enum operation operation = assignment->operation;
	if (operation == OPERATION_SET && service->defaults == NULL) operation = OPERATION_ADD;
	if (*value != NULL && operation != OPERATION_SET) before = (*value)->words;
	size_t first = operation == OPERATION_ADD && is_own ? before.count : 0;
	if (operation != OPERATION_ADD || !is_own) *value = mem_alloc(config->loading, sizeof **value);
	(*value)->location = assignment->location;
	for (size_t i = first; i < before.count; i++)
		if (operation == OPERATION_ADD || !contains(words, before.word[i]))
			add_word(config, *value, before.word[i]);
	for (size_t i = 0; i < words->count && operation != OPERATION_REMOVE; i++)
		if (operation == OPERATION_SET || *lookup_slot(config, *value, words->word[i]) == NULL)
			add_word(config, *value, words->word[i]);
	return first;
}

/*
 * Applies one assignment to a service, or to `defaults`. An attribute that is no set keeps its first value, with a warning;
 * only the command line replaces it. Returns 0, or -1 if there is an error, which is logged.
 */
int attr_apply(struct service *service, struct assignment *assignment) {
	const struct attr *attr = assignment->attr;
	bool in_defaults = service->defaults == NULL;
	struct error error = {.text = ""};
	size_t first = 0;
	if (attr == NULL) {
		const char *name = assignment->name;
		const struct attr *near = find_near(name);
		if (near == NULL) log_error_at(&assignment->location, "unknown attribute '%s'", name);
		else log_error_at(&assignment->location, "unknown attribute '%s'; is %s meant?", name, near->name);
		return -1;
	}
	struct assignment **value = value_of(service, attr);
	bool is_from_file = assignment->location.line > 0;
	bool is_own = *value != NULL && (in_defaults || *value != *value_of(service->defaults, attr));
	if (is_own && !attr->type->is_set && (*value)->location.line > 0 && is_from_file) {
		log_warning_at(&assignment->location, "%s: already set at line %d, which is used", assignment->name,
		    (*value)->location.line);
		return 0;
	}
	/* xinetd's files may have what has no meaning in `defaults`, unless it has one for access */
	if (in_defaults && !(attr->scope & IN_DEFAULTS) && is_from_file && attr->field != F(chroot)) {
		log_warning_at(&assignment->location, "%s: " NOT_IN_DEFAULTS "; it is ignored", attr->name);
		return 0;
	}
	if (!attr->type->is_set) *value = assignment;
	int result = check(assignment, in_defaults, &error);
	if (result == 0 && assignment->operation == OPERATION_REMOVE)
		result = check_removal(service, assignment, &error);
	if (result == 0 && attr->type->is_set) first = merge(service, assignment, is_own);
	if (result == 0) result = read_value(service, attr, first, &error);
	if (result < 0) log_error_at(&assignment->location, "%s: %s", attr->name, error.text);
	return result;
}

/* Sets an attribute to a value that superd knows to be good. */
void attr_set(struct service *service, const char *name, const char *text) {
	const struct attr *attr = attr_find(name);
	if (attr == NULL) return; /* never: the names are superd's own */
	struct arena *arena = service->config != NULL ? service->config->loading : service->arena;
	struct assignment *value = mem_alloc(arena, sizeof *value);
	struct error error = {.text = ""};
	words_split(arena, &value->words, text);
	*value_of(service, attr) = value;
	read_value(service, attr, 0, &error);
}

/* Gives each attribute the value that it has in `defaults`, or where there are none, the one that it has unless set. */
void attr_begin(struct service *service) {
	size_t size = LENGTH(table) * sizeof(void *);
	if (service->defaults != NULL) {
		service->values = memcpy(mem_alloc(service->config->loading, size), service->defaults->values, size);
		return;
	}
	service->values = mem_alloc(service->arena, size);
	for (int i = 0; i < LIMITS; i++) service->rlimits[i] = UNSET;
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		if (attr->type->is_number) *(long *)(void *)((char *)service + attr->field) = UNSET;
		if (attr->default_text != NULL) attr_set(service, attr->name, attr->default_text);
	}
}

/* Whether the value of a set has the word, while the configuration is loaded. */
bool attr_has_word(const struct service *service, const char *name, const char *word) {
	const struct assignment *value = *value_of(service, attr_find(name));
	return value != NULL && *lookup_slot(service->config, value, word) != NULL;
}

/* Where an attribute was set, or else where the service begins. */
const struct location *attr_location(const struct service *service, const char *name) {
	const struct assignment *value = *value_of(service, attr_find(name));
	return value != NULL && value->location.file != NULL ? &value->location : &service->location;
}

/* The nth word of an attribute's value, and where it was written. */
const char *attr_find_word(const struct service *service, const char *name, size_t nth, struct location *location) {
	const struct attr *attr = attr_find(name);
	const char *word = (*value_of(service, attr))->words.word[nth];
	const struct block *blocks[] = {service->config->defaults, service->block};
	*location = *attr_location(service, name);
	for (size_t i = 0; i < LENGTH(blocks); i++)
		for (const struct assignment *from = blocks[i]->assignments; from != NULL; from = from->next)
			for (size_t j = 0; from->attr == attr && j < from->words.count; j++)
				if (from->words.word[j] == word) *location = from->location;
	return word;
}

/* Logs what is wrong with an attribute's value, after its location and its name. Returns -1. */
int attr_fail(const struct service *service, const char *name, const char *format, ...) {
	char text[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	log_error_at(attr_location(service, name), "%s: %s", name, text);
	return -1;
}

static uint64_t hash_word(uint64_t hash, const char *word) { return hash_bytes(hash, word, strlen(word) + 1); }

/*
 * A hash of all values, while the configuration is loaded; of an address list, an owner and what the service listens at, of what
 * they mean: a name may mean something else than before.
 */
uint64_t attr_hash(const struct service *service) {
	uint64_t hash = hash_word(0, service->name);
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		const struct assignment *value = *value_of(service, attr);
		if (!(attr->scope & IN_SERVICE) || value == NULL) continue;
		hash = hash_word(hash, attr->name);
		const void *field = (const char *)service + attr->field;
		const struct address_list *list = field;
		const struct identity *owner = field;
		if (attr->type == &attr_owner)
			hash = hash_bytes(
			    hash_bytes(hash, &owner->gid, sizeof owner->gid), &owner->uid, sizeof owner->uid);
		if (attr->type == &attr_addresses) hash = hash_bytes(hash, &list->hash, sizeof list->hash);
		else
			for (size_t i = 0; i < value->words.count; i++) hash = hash_word(hash, value->words.word[i]);
	}
	for (size_t i = 0; i < service->address_count; i++)
		hash = hash_bytes(hash, &service->addresses[i].at, service->addresses[i].length);
	return hash;
}

/* Prints a line of a service: the attribute with its words, as they are or quoted. */
static void print_words(FILE *to, const char *name, const char **word, size_t count, bool is_quoted) {
	fprintf(to, "\t%-18s =", name);
	for (size_t i = 0; i < count; i++) {
		fputc(' ', to);
		if (is_quoted) shell_print(word[i], to);
		else fputs(word[i], to);
	}
	fputc('\n', to);
}

/*
 * Prints the whole service in the syntax of a configuration file, while the configuration is loaded; `command` as server and
 * server_args where they can say the same.
 */
void attr_print_service(const struct service *service, FILE *to) {
	fprintf(to, "service %s\n{\n", service->name);
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		const struct assignment *value = *value_of(service, attr);
		if (!(attr->scope & IN_SERVICE) || value == NULL) continue;
		const char **word = value->words.word;
		size_t count = value->words.count;
		if (attr->type == &attr_command && shell_are_plain(&value->words)) {
			print_words(to, "server", word, 1, false);
			if (count > 1) print_words(to, "server_args", word + 1, count - 1, false);
		} else if (attr->type->print != NULL) {
			fprintf(to, "\t%-18s =", attr->name);
			attr->type->print((const char *)service + attr->field, to);
			fputc('\n', to);
		} else print_words(to, attr->name, word, count, attr->type->is_quoted);
	}
	fputs("}\n", to);
}

/* Prints the table, a line an attribute, tab-separated: name, operators, values, scope, default, doc. */
void attr_print_table(FILE *to) {
	static const char *const scopes[] = {[IN_SERVICE] = "service", [IN_DEFAULTS] = "defaults", [IN_BOTH] = "both"};
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		char words[ATTR_WORDS_TEXT];
		fprintf(to, "%s\t%s\t%s\t%s\t%s\t%s\n", attr->name, attr->type->is_set ? "= += -=" : "=",
		    attr->words != NULL ? attr_list_words(attr, " ", words) : attr->type->values, scopes[attr->scope],
		    attr->default_text != NULL ? attr->default_text
		    : attr->unless_set != NULL ? attr->unless_set
					       : "none",
		    attr->doc);
	}
}
