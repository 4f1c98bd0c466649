/*
 * attr: the attribute table, one row an attribute, and what is done with rows: applying an assignment to a
 * service, printing a service, printing the table. The command line and the configuration file read the same rows.
 */
#include "attr.h"

#include <stdarg.h>
#include <strings.h>

#define F(member) offsetof(struct service, member)

/* The words that rows take; a flag that does nothing is 0. */
static const struct named_value yes_no[] = {{"yes", true}, {"no", false}, {NULL, 0}};
static const struct named_value socket_types[] = {
    {"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {"seqpacket", SOCK_SEQPACKET}, {NULL, 0}};
static const struct named_value service_types[] = {{"INTERNAL", TYPE_INTERNAL}, {"UNLISTED", TYPE_UNLISTED},
    {"RPC", TYPE_RPC}, {"TCPMUX", TYPE_TCPMUX}, {"TCPMUXPLUS", TYPE_TCPMUXPLUS}, {NULL, 0}};
static const struct named_value flags[] = {{"REUSE", 0}, {"NAMEINARGS", FLAG_NAMEINARGS}, {"NODELAY", FLAG_NODELAY},
    {"KEEPALIVE", FLAG_KEEPALIVE}, {"IPv4", FLAG_IPV4}, {"IPv6", FLAG_IPV6}, {"NORETRY", FLAG_NORETRY},
    {"IDONLY", FLAG_IDONLY}, {"NOLIBWRAP", 0}, {"SENSOR", FLAG_SENSOR}, {"INTERCEPT", FLAG_INTERCEPT},
    {"LABELED", FLAG_LABELED}, {NULL, 0}};
static const struct named_value success_items[] = {{"PID", LOG_ITEM_PID}, {"HOST", LOG_ITEM_HOST},
    {"USERID", LOG_ITEM_USERID}, {"EXIT", LOG_ITEM_EXIT}, {"DURATION", LOG_ITEM_DURATION},
    {"TRAFFIC", LOG_ITEM_TRAFFIC}, {NULL, 0}};
static const struct named_value failure_items[] = {
    {"HOST", LOG_ITEM_HOST}, {"USERID", LOG_ITEM_USERID}, {"ATTEMPT", LOG_ITEM_ATTEMPT}, {NULL, 0}};
static const struct named_value on_limit[] = {{"refuse", ON_LIMIT_REFUSE}, {"wait", ON_LIMIT_WAIT}, {NULL, 0}};
static const struct named_value stderr_ways[] = {{"client", STDERR_CLIENT}, {"log", STDERR_LOG}, {NULL, 0}};

/* name, kind of value, field, scope, what it is unless set: doc; then the words or the bounds */
/* clang-format off */
static const struct attr table[] = {
	{.name = "id", .type = &attr_text, .field = F(id), .scope = IN_SERVICE, .doc = "the name in logs, enabled and disabled; unless set: the service's name"},
	{.name = "type", .type = &attr_bits, .field = F(type), .scope = IN_SERVICE, .words = service_types, .doc = "INTERNAL: superd is the program; UNLISTED: not in /etc/services"},
	{.name = "flags", .type = &attr_bits, .field = F(flags), .scope = IN_SERVICE, .words = flags, .doc = "switches of the socket and the program"},
	{.name = "disable", .type = &attr_word, .field = F(disable), .scope = IN_SERVICE, .default_text = "no", .words = yes_no, .doc = "leave this service out"},
	{.name = "enabled", .type = &attr_word_set, .field = F(enabled), .scope = IN_DEFAULTS, .doc = "the only services that run, by id"},
	{.name = "disabled", .type = &attr_word_set, .field = F(disabled), .scope = IN_DEFAULTS, .doc = "services left out, by id"},

	{.name = "socket_type", .type = &attr_word, .field = F(socket_type), .scope = IN_SERVICE, .words = socket_types, .doc = "the kind of socket; unless set: the protocol's"},
	{.name = "protocol", .type = &attr_text, .field = F(protocol), .scope = IN_SERVICE, .doc = "a name in /etc/protocols; unless set: the socket_type's"},
	{.name = "wait", .type = &attr_word, .field = F(wait), .scope = IN_SERVICE, .words = yes_no, .doc = "yes: one program gets the listening socket itself"},
	{.name = "port", .type = &attr_number, .field = F(port), .scope = IN_SERVICE, .max = 65535, .doc = "the port; 0: the kernel chooses; unless set: as /etc/services has it"},
	{.name = "bind", .type = &attr_hosts, .field = F(bind), .scope = IN_SERVICE, .doc = "where to listen: addresses, host names, * or a path; unless set: every interface"},
	{.name = "interface", .type = &attr_hosts, .field = F(bind), .scope = IN_SERVICE, .doc = "another name for bind"},
	{.name = "v6only", .type = &attr_word, .field = F(v6only), .scope = IN_BOTH, .default_text = "no", .words = yes_no, .doc = "an IPv6 socket takes no IPv4"},
	{.name = "backlog", .type = &attr_number, .field = F(backlog), .scope = IN_BOTH, .default_text = "65535", .max = INT_MAX, .doc = "connections that may wait to be accepted, up to the kernel's limit"},
	{.name = "socket_mode", .type = &attr_octal, .field = F(socket_mode), .scope = IN_SERVICE, .default_text = "0600", .max = 0777, .doc = "the mode of a UNIX-domain socket"},
	{.name = "socket_user", .type = &attr_owner, .field = F(socket_user), .scope = IN_SERVICE, .doc = "the owner of a UNIX-domain socket; unless set: superd's user"},
	{.name = "redirect", .type = &attr_redirect, .field = F(redirect), .scope = IN_SERVICE, .doc = "pass the connection on to this host and port"},

	{.name = "only_from", .type = &attr_addresses, .field = F(only_from), .scope = IN_BOTH, .doc = "the clients that may connect; set but empty: none; unless set: all"},
	{.name = "no_access", .type = &attr_addresses, .field = F(no_access), .scope = IN_BOTH, .doc = "the clients that may not connect, whatever only_from has"},
	{.name = "access_times", .type = &attr_times, .field = F(access_times), .scope = IN_BOTH, .doc = "when clients may connect, in local time, both ends included; unless set: always"},
	{.name = "proxy_from", .type = &attr_addresses, .field = F(proxy_from), .scope = IN_BOTH, .doc = "peers that must send a PROXY protocol header"},
	{.name = "deny_time", .type = &attr_minutes, .field = F(deny_time), .scope = IN_BOTH, .default_text = "NEVER", .max = INT_MAX, .doc = "minutes that every service refuses a client of a SENSOR"},

	{.name = "instances", .type = &attr_limit, .field = F(instances), .scope = IN_BOTH, .default_text = "UNLIMITED", .max = INT_MAX, .doc = "programs that may run at once"},
	{.name = "per_source", .type = &attr_limit, .field = F(per_source), .scope = IN_BOTH, .default_text = "UNLIMITED", .max = INT_MAX, .doc = "programs that may run at once for one source"},
	{.name = "per_source_cps", .type = &attr_number, .field = F(per_source_cps), .scope = IN_BOTH, .max = INT_MAX, .doc = "connections a second that one source may open; unless set: no limit"},
	{.name = "per_source_prefix6", .type = &attr_number, .field = F(per_source_prefix6), .scope = IN_BOTH, .default_text = "64", .min = 1, .max = 128, .doc = "how many bits of an IPv6 address make one source"},
	{.name = "cps", .type = &attr_rate, .field = F(cps), .scope = IN_BOTH, .default_text = "50 10", .max = INT_MAX, .doc = "connections a second, and the seconds without new ones past that rate; 0: no limit"},
	{.name = "max_load", .type = &attr_load, .field = F(max_load), .scope = IN_BOTH, .doc = "refuse at this one-minute load or more"},
	{.name = "on_limit", .type = &attr_word, .field = F(on_limit), .scope = IN_BOTH, .default_text = "refuse", .words = on_limit, .doc = "at instances and cps: close the connection, or let it wait in the backlog"},

	{.name = "server", .type = &attr_path, .field = F(server), .scope = IN_SERVICE, .doc = "the program"},
	{.name = "server_args", .type = &attr_list, .field = F(server_args), .scope = IN_SERVICE, .doc = "its arguments, without its own name unless NAMEINARGS"},
	{.name = "user", .type = &attr_user, .field = F(user), .scope = IN_SERVICE, .doc = "the user that the program runs as"},
	{.name = "group", .type = &attr_group, .field = F(group), .scope = IN_SERVICE, .doc = "its group; unless set: the user's own"},
	{.name = "groups", .type = &attr_word, .field = F(groups), .scope = IN_BOTH, .default_text = "no", .words = yes_no, .doc = "the user's supplementary groups too"},
	{.name = "env", .type = &attr_environment, .field = F(env), .scope = IN_SERVICE, .doc = "variables to add, NAME=VALUE"},
	{.name = "passenv", .type = &attr_word_set, .field = F(passenv), .scope = IN_BOTH, .doc = "the variables of superd's environment that are passed on; unless set: all"},
	{.name = "directory", .type = &attr_path, .field = F(directory), .scope = IN_BOTH, .default_text = "/", .doc = "where the program starts"},
	{.name = "chroot", .type = &attr_path, .field = F(chroot), .scope = IN_SERVICE, .doc = "its root directory"},
	{.name = "nice", .type = &attr_number, .field = F(nice), .scope = IN_BOTH, .min = -40, .max = 40, .doc = "added to the priority, as nice(2) does"},
	{.name = "umask", .type = &attr_octal, .field = F(umask), .scope = IN_BOTH, .max = 0777, .doc = "the file mode creation mask; unless set: superd's own and 022"},
	{.name = "no_new_privs", .type = &attr_word, .field = F(no_new_privs), .scope = IN_BOTH, .default_text = "no", .words = yes_no, .doc = "the program can gain no privilege by exec (Linux)"},
	{.name = "stderr", .type = &attr_word, .field = F(stderr_to), .scope = IN_BOTH, .default_text = "client", .words = stderr_ways, .doc = "what descriptor 2 is: the connection, or superd's own stderr"},
	{.name = "rlimit_as", .type = &attr_bytes, .field = F(rlimits[LIMIT_AS]), .scope = IN_BOTH, .max = LONG_MAX, .doc = "bytes of address space"},
	{.name = "rlimit_cpu", .type = &attr_limit, .field = F(rlimits[LIMIT_CPU]), .scope = IN_BOTH, .max = LONG_MAX, .doc = "seconds of processor time"},
	{.name = "rlimit_data", .type = &attr_bytes, .field = F(rlimits[LIMIT_DATA]), .scope = IN_BOTH, .max = LONG_MAX, .doc = "bytes of data"},
	{.name = "rlimit_files", .type = &attr_limit, .field = F(rlimits[LIMIT_FILES]), .scope = IN_BOTH, .max = LONG_MAX, .doc = "open descriptors"},
	{.name = "rlimit_rss", .type = &attr_bytes, .field = F(rlimits[LIMIT_RSS]), .scope = IN_BOTH, .max = LONG_MAX, .doc = "bytes of resident memory"},
	{.name = "rlimit_stack", .type = &attr_bytes, .field = F(rlimits[LIMIT_STACK]), .scope = IN_BOTH, .max = LONG_MAX, .doc = "bytes of stack"},
	{.name = "time_limit", .type = &attr_number, .field = F(time_limit), .scope = IN_BOTH, .default_text = "0", .max = INT_MAX, .doc = "seconds that a program may run; 0: no limit"},
	{.name = "drain_time", .type = &attr_number, .field = F(drain_time), .scope = IN_BOTH, .default_text = "30", .max = INT_MAX, .doc = "seconds that a stop waits for programs"},
	{.name = "linger", .type = &attr_number, .field = F(linger), .scope = IN_BOTH, .default_text = "0", .max = INT_MAX, .doc = "seconds to wait for the client to close after the program has ended"},

	{.name = "banner", .type = &attr_banner, .field = F(banner), .scope = IN_BOTH, .doc = "a file that every client is sent first"},
	{.name = "banner_success", .type = &attr_banner, .field = F(banner_success), .scope = IN_BOTH, .doc = "a file for clients that are admitted"},
	{.name = "banner_fail", .type = &attr_banner, .field = F(banner_fail), .scope = IN_BOTH, .doc = "a file for clients that are refused"},
	{.name = "log_type", .type = &attr_log, .field = F(log_type), .scope = IN_BOTH, .max = LONG_MAX, .doc = "where START, EXIT and FAIL lines go; unless set: superd's log"},
	{.name = "log_on_success", .type = &attr_bit_set, .field = F(log_on_success), .scope = IN_BOTH, .words = success_items, .doc = "what START and EXIT lines contain"},
	{.name = "log_on_failure", .type = &attr_bit_set, .field = F(log_on_failure), .scope = IN_BOTH, .words = failure_items, .doc = "what FAIL lines contain"},

	{.name = "libwrap", .type = &attr_ignored, .field = F(libwrap), .scope = IN_SERVICE, .doc = "ignored, with a warning: superd does not read hosts.allow and hosts.deny"},
	{.name = "mdns", .type = &attr_ignored, .field = F(mdns), .scope = IN_BOTH, .words = yes_no, .doc = "ignored, with a warning: superd does not announce services"},
	{.name = "rpc_version", .type = &attr_text, .field = F(rpc_version), .scope = IN_SERVICE, .doc = "of an RPC service, which superd leaves out"},
	{.name = "rpc_number", .type = &attr_number, .field = F(rpc_number), .scope = IN_SERVICE, .max = INT_MAX, .doc = "of an RPC service, which superd leaves out"},
};
/* clang-format on */

static const struct attr *find(const char *name) {
	if (strcasecmp(name, "interface") == 0) name = "bind";
	for (size_t i = 0; i < LENGTH(table); i++)
		if (strcasecmp(table[i].name, name) == 0) return &table[i];
	return NULL;
}

/* The words of the attribute as this assignment leaves them. */
static void merge(
    struct words *words, const struct assignment *assignment, enum operation operation, struct arena *arena) {
	if (operation == OPERATION_SET) *words = (struct words){.set = true};
	for (size_t i = 0; i < assignment->words.count; i++)
		if (operation == OPERATION_REMOVE)
			words_remove(words, assignment->words.word[i]);
		else if (operation == OPERATION_SET || !words_contain(words, assignment->words.word[i]))
			words_add(arena, words, assignment->words.word[i]);
	words->set = true;
}

/* Applies one assignment to a service, or as part of `defaults`. Returns 0, or -1 and an error. */
int attr_apply(struct service *service, const struct assignment *assignment, bool in_defaults, struct error *error) {
	const struct attr *attr = find(assignment->name);
	if (attr == NULL) return error_set(error, "unknown attribute '%s'", assignment->name);
	if (in_defaults && !(attr->scope & IN_DEFAULTS))
		return error_set(error, "%s: not an attribute of defaults", attr->name);
	if (!in_defaults && !(attr->scope & IN_SERVICE))
		return error_set(error, "%s: an attribute of defaults only", attr->name);
	if (assignment->operation != OPERATION_SET && !attr->type->is_set)
		return error_set(error, "%s: takes only '='", attr->name);
	if (assignment->words.count < attr->type->least)
		return error_set(error, "%s: needs %s", attr->name, attr->type->least == 1 ? "a value" : "more values");
	if (assignment->words.count > attr->type->most)
		return error_set(
		    error, "%s: too many values, from '%s' on", attr->name, assignment->words.word[attr->type->most]);

	struct assignment *value = &service->values[attr - table];
	bool adds = in_defaults && attr->type->is_set && assignment->operation == OPERATION_SET;
	merge(&value->words, assignment, adds ? OPERATION_ADD : assignment->operation, service->loading);
	value->location = assignment->location;
	struct error detail = {.text = ""};
	struct reading reading = {.arena = service->arena,
	    .attr = attr,
	    .word = value->words.word,
	    .count = value->words.count,
	    .location = &assignment->location,
	    .error = &detail};
	if (attr->type->read((char *)service + attr->field, &reading) < 0)
		return error_set(error, "%s: %s", attr->name, detail.text);
	return 0;
}

/* Applies a value that superd itself sets. Returns 0, or -1 and an error, if a file or a name is missing. */
int attr_set(struct service *service, const char *name, const char *text, struct error *error) {
	struct assignment assignment = {.name = name, .operation = OPERATION_SET, .location = service->location};
	words_split(service->loading, &assignment.words, text);
	return attr_apply(service, &assignment, false, error);
}

/* Where an attribute was set, or else where the service begins. */
static const struct location *location_of(const struct service *service, const char *name) {
	const struct attr *attr = find(name);
	const struct location *location = attr != NULL ? &service->values[attr - table].location : &service->location;
	return location->file != NULL ? location : &service->location;
}

/* Sets the error to what is wrong with an attribute's value, after its name, and to its location. Returns -1. */
int attr_fail(const struct service *service, const char *name, struct error *error, const char *format, ...) {
	size_t used = (size_t)snprintf(error->text, sizeof error->text, "%s: ", name);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text + used, sizeof error->text - used, format, arguments);
	va_end(arguments);
	error->location = *location_of(service, name);
	return -1;
}

/* Sets the error to why superd refuses, by design, what an attribute asks for. Returns SERVICE_LEFT_OUT. */
int attr_refuse(const struct service *service, const char *name, struct error *error, const char *text) {
	error_set(error, "%s", text);
	error->location = *location_of(service, name);
	return SERVICE_LEFT_OUT;
}

/* Makes room for the attributes' words, and gives each attribute its default. */
void attr_begin(struct service *service) {
	struct error error;
	service->loading = mem_arena_new();
	service->values = mem_alloc(service->loading, LENGTH(table) * sizeof *service->values);
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		if (attr->type->is_number) *(long *)(void *)((char *)service + attr->field) = UNSET;
		if (attr->default_text != NULL) attr_set(service, attr->name, attr->default_text, &error);
	}
}

/* Whether two names, in any case, are of one attribute. */
bool attr_is_same(const char *name, const char *other) {
	const struct attr *attr = find(name);
	return attr != NULL && attr == find(other);
}

/* Whether the attribute is a set, which may be assigned more than once. */
bool attr_is_set(const char *name) {
	const struct attr *attr = find(name);
	return attr != NULL && attr->type->is_set;
}

/* Prints the whole service in the syntax of a configuration file. */
void attr_print_service(const struct service *service, FILE *to) {
	fprintf(to, "service %s\n{\n", service->name);
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		const struct words *words = &service->values[attr - table].words;
		if (!(attr->scope & IN_SERVICE) || !words->set) continue;
		fprintf(to, "\t%-18s =", attr->name);
		if (attr->type->print != NULL)
			attr->type->print((const char *)service + attr->field, to);
		else
			for (size_t i = 0; i < words->count; i++) fprintf(to, " %s", words->word[i]);
		fputc('\n', to);
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
		    attr->default_text != NULL ? attr->default_text : "none", attr->doc);
	}
}
