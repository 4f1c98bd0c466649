/*
 * attr: the attribute table, one row an attribute, and what is done with rows: applying an assignment to a
 * service, printing a service, printing the table. The command line and the configuration file read the same rows.
 */
#include "attr.h"

#include <stdarg.h>
#include <strings.h>

#define F(member) offsetof(struct service, member)

/* The words that rows take; a flag that does nothing is 0. */
static const struct attr_word yes_no[] = {{"yes", true}, {"no", false}, {NULL, 0}};
static const struct attr_word socket_types[] = {
    {"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {"seqpacket", SOCK_SEQPACKET}, {NULL, 0}};
static const struct attr_word service_types[] = {{"INTERNAL", TYPE_INTERNAL}, {"UNLISTED", TYPE_UNLISTED},
    {"RPC", TYPE_RPC}, {"TCPMUX", TYPE_TCPMUX}, {"TCPMUXPLUS", TYPE_TCPMUXPLUS}, {NULL, 0}};
static const struct attr_word flags[] = {{"REUSE", 0}, {"NAMEINARGS", FLAG_NAMEINARGS}, {"NODELAY", FLAG_NODELAY},
    {"KEEPALIVE", FLAG_KEEPALIVE}, {"IPv4", FLAG_IPV4}, {"IPv6", FLAG_IPV6}, {"NORETRY", FLAG_NORETRY},
    {"IDONLY", FLAG_IDONLY}, {"NOLIBWRAP", 0}, {"SENSOR", FLAG_SENSOR}, {"INTERCEPT", FLAG_INTERCEPT},
    {"LABELED", FLAG_LABELED}, {NULL, 0}};
static const struct attr_word success_items[] = {{"PID", LOG_ITEM_PID}, {"HOST", LOG_ITEM_HOST},
    {"USERID", LOG_ITEM_USERID}, {"EXIT", LOG_ITEM_EXIT}, {"DURATION", LOG_ITEM_DURATION},
    {"TRAFFIC", LOG_ITEM_TRAFFIC}, {NULL, 0}};
static const struct attr_word failure_items[] = {
    {"HOST", LOG_ITEM_HOST}, {"USERID", LOG_ITEM_USERID}, {"ATTEMPT", LOG_ITEM_ATTEMPT}, {NULL, 0}};
static const struct attr_word on_limit[] = {{"refuse", ON_LIMIT_REFUSE}, {"wait", ON_LIMIT_WAIT}, {NULL, 0}};
static const struct attr_word stderr_ways[] = {{"client", STDERR_CLIENT}, {"log", STDERR_LOG}, {NULL, 0}};

/* name, kind of value, field, scope, what it is unless set, doc; then the words or the bounds */
/* clang-format off */
static const struct attr table[] = {
	{ "id", &attr_text, F(id), IN_SERVICE, NULL, "the name in logs, enabled and disabled; unless set, the service's", NULL, 0, 0 },
	{ "type", &attr_bits, F(type), IN_SERVICE, NULL, "INTERNAL: superd is the program; UNLISTED: not in /etc/services", service_types, 0, 0 },
	{ "flags", &attr_bits, F(flags), IN_SERVICE, NULL, "switches of the socket and the program", flags, 0, 0 },
	{ "disable", &attr_word, F(disable), IN_SERVICE, "no", "leave this service out", yes_no, 0, 0 },
	{ "enabled", &attr_word_set, F(enabled), IN_DEFAULTS, NULL, "the only services that run, by id", NULL, 0, 0 },
	{ "disabled", &attr_word_set, F(disabled), IN_DEFAULTS, NULL, "services left out, by id", NULL, 0, 0 },

	{ "socket_type", &attr_word, F(socket_type), IN_SERVICE, NULL, "the kind of socket; unless set, the protocol's", socket_types, 0, 0 },
	{ "protocol", &attr_text, F(protocol), IN_SERVICE, NULL, "a name in /etc/protocols; unless set, the socket_type's", NULL, 0, 0 },
	{ "wait", &attr_word, F(wait), IN_SERVICE, NULL, "yes: one program gets the listening socket itself", yes_no, 0, 0 },
	{ "port", &attr_number, F(port), IN_SERVICE, NULL, "the port; 0: the kernel chooses; unless set, as /etc/services has it", NULL, 0, 65535 },
	{ "bind", &attr_hosts, F(bind), IN_SERVICE, NULL, "where to listen: addresses, host names, * or a path; unless set, every interface", NULL, 0, 0 },
	{ "interface", &attr_hosts, F(bind), IN_SERVICE, NULL, "another name for bind", NULL, 0, 0 },
	{ "v6only", &attr_word, F(v6only), IN_BOTH, "no", "an IPv6 socket takes no IPv4", yes_no, 0, 0 },
	{ "backlog", &attr_number, F(backlog), IN_BOTH, "65535", "how many may wait to be accepted, if the kernel allows so many", NULL, 0, INT_MAX },
	{ "socket_mode", &attr_octal, F(socket_mode), IN_SERVICE, "0600", "the mode of a UNIX-domain socket", NULL, 0, 0777 },
	{ "socket_user", &attr_owner, F(socket_user), IN_SERVICE, NULL, "the owner of a UNIX-domain socket; unless set, superd's user", NULL, 0, 0 },
	{ "redirect", &attr_redirect, F(redirect), IN_SERVICE, NULL, "pass the connection on to this host and port", NULL, 0, 0 },

	{ "only_from", &attr_addresses, F(only_from), IN_BOTH, NULL, "who may come; set but empty: nobody; unless set, anyone", NULL, 0, 0 },
	{ "no_access", &attr_addresses, F(no_access), IN_BOTH, NULL, "who may not come, whatever only_from says", NULL, 0, 0 },
	{ "access_times", &attr_times, F(access_times), IN_BOTH, NULL, "when, in local time, both ends included; unless set, always", NULL, 0, 0 },
	{ "proxy_from", &attr_addresses, F(proxy_from), IN_BOTH, NULL, "peers that must send a PROXY protocol header", NULL, 0, 0 },
	{ "deny_time", &attr_minutes, F(deny_time), IN_BOTH, "NEVER", "how many minutes a SENSOR's visitor is refused everywhere", NULL, 0, INT_MAX },

	{ "instances", &attr_limit, F(instances), IN_BOTH, "UNLIMITED", "how many may run at once", NULL, 0, INT_MAX },
	{ "per_source", &attr_limit, F(per_source), IN_BOTH, "UNLIMITED", "how many may run at once for one source", NULL, 0, INT_MAX },
	{ "per_source_cps", &attr_number, F(per_source_cps), IN_BOTH, NULL, "connections a second that one source may open; unless set, any number", NULL, 0, INT_MAX },
	{ "per_source_prefix6", &attr_number, F(per_source_prefix6), IN_BOTH, "64", "how many bits of an IPv6 address make one source", NULL, 1, 128 },
	{ "cps", &attr_rate, F(cps), IN_BOTH, "50 10", "connections a second, and how many seconds to stay shut past that; 0: no limit", NULL, 0, INT_MAX },
	{ "max_load", &attr_load, F(max_load), IN_BOTH, NULL, "refuse at this one-minute load or more", NULL, 0, 0 },
	{ "on_limit", &attr_word, F(on_limit), IN_BOTH, "refuse", "at instances and cps: close the connection, or let it wait in the backlog", on_limit, 0, 0 },

	{ "server", &attr_path, F(server), IN_SERVICE, NULL, "the program", NULL, 0, 0 },
	{ "server_args", &attr_list, F(server_args), IN_SERVICE, NULL, "its arguments, without its own name unless NAMEINARGS", NULL, 0, 0 },
	{ "user", &attr_user, F(user), IN_SERVICE, NULL, "the user that the program runs as", NULL, 0, 0 },
	{ "group", &attr_group, F(group), IN_SERVICE, NULL, "its group; unless set, the user's own", NULL, 0, 0 },
	{ "groups", &attr_word, F(groups), IN_BOTH, "no", "the user's supplementary groups too", yes_no, 0, 0 },
	{ "env", &attr_environment, F(env), IN_SERVICE, NULL, "variables to add, NAME=VALUE", NULL, 0, 0 },
	{ "passenv", &attr_word_set, F(passenv), IN_BOTH, NULL, "the variables of superd's own that pass; unless set, all", NULL, 0, 0 },
	{ "directory", &attr_path, F(directory), IN_BOTH, "/", "where the program starts", NULL, 0, 0 },
	{ "chroot", &attr_path, F(chroot), IN_SERVICE, NULL, "its root directory", NULL, 0, 0 },
	{ "nice", &attr_number, F(nice), IN_BOTH, NULL, "added to the priority, as nice(2) does", NULL, -40, 40 },
	{ "umask", &attr_octal, F(umask), IN_BOTH, NULL, "the file mode creation mask; unless set, superd's own and 022", NULL, 0, 0777 },
	{ "no_new_privs", &attr_word, F(no_new_privs), IN_BOTH, "no", "no privilege can be gained by exec (Linux)", yes_no, 0, 0 },
	{ "stderr", &attr_word, F(stderr_to), IN_BOTH, "client", "what descriptor 2 is: the connection, or superd's own stderr", stderr_ways, 0, 0 },
	{ "rlimit_as", &attr_bytes, F(rlimits[0]), IN_BOTH, NULL, "bytes of address space", NULL, 0, LONG_MAX },
	{ "rlimit_cpu", &attr_limit, F(rlimits[1]), IN_BOTH, NULL, "seconds of processor time", NULL, 0, LONG_MAX },
	{ "rlimit_data", &attr_bytes, F(rlimits[2]), IN_BOTH, NULL, "bytes of data", NULL, 0, LONG_MAX },
	{ "rlimit_files", &attr_limit, F(rlimits[3]), IN_BOTH, NULL, "open descriptors", NULL, 0, LONG_MAX },
	{ "rlimit_rss", &attr_bytes, F(rlimits[4]), IN_BOTH, NULL, "bytes of resident memory", NULL, 0, LONG_MAX },
	{ "rlimit_stack", &attr_bytes, F(rlimits[5]), IN_BOTH, NULL, "bytes of stack", NULL, 0, LONG_MAX },
	{ "time_limit", &attr_number, F(time_limit), IN_BOTH, "0", "seconds that a child may run; 0: any time", NULL, 0, INT_MAX },
	{ "drain_time", &attr_number, F(drain_time), IN_BOTH, "30", "seconds that a stop waits for children", NULL, 0, INT_MAX },
	{ "linger", &attr_number, F(linger), IN_BOTH, "0", "seconds to wait for the client to close after the program has ended", NULL, 0, INT_MAX },

	{ "banner", &attr_banner, F(banner), IN_BOTH, NULL, "a file that everyone is sent first", NULL, 0, 0 },
	{ "banner_success", &attr_banner, F(banner_success), IN_BOTH, NULL, "a file for who is let in", NULL, 0, 0 },
	{ "banner_fail", &attr_banner, F(banner_fail), IN_BOTH, NULL, "a file for who is not", NULL, 0, 0 },
	{ "log_type", &attr_log, F(log_type), IN_BOTH, NULL, "where START, EXIT and FAIL lines go; unless set, superd's log", NULL, 0, 0 },
	{ "log_on_success", &attr_bit_set, F(log_on_success), IN_BOTH, NULL, "what START and EXIT say", success_items, 0, 0 },
	{ "log_on_failure", &attr_bit_set, F(log_on_failure), IN_BOTH, NULL, "what FAIL says", failure_items, 0, 0 },

	{"libwrap", &attr_ignored, F(libwrap), IN_SERVICE, NULL, "ignored, with a warning: superd does not read hosts.allow and hosts.deny", NULL, 0, 0 },
	{"mdns", &attr_ignored, F(mdns), IN_BOTH, NULL, "ignored, with a warning: superd does not announce services", yes_no, 0, 0 },
	{ "rpc_version", &attr_text, F(rpc_version), IN_SERVICE, NULL, "of an RPC service, which superd leaves out", NULL, 0, 0 },
	{ "rpc_number", &attr_number, F(rpc_number), IN_SERVICE, NULL, "of an RPC service, which superd leaves out", NULL, 0, INT_MAX },
};
/* clang-format on */

static const struct attr *find(const char *name) {
	if (strcasecmp(name, "interface") == 0) name = "bind";
	for (size_t i = 0; i < LENGTH(table); i++)
		if (strcasecmp(table[i].name, name) == 0) return &table[i];
	return NULL;
}

/* The words of the attribute as this assignment leaves them. */
static void merge(struct words *words, const struct entry *entry, enum operation operation, struct arena *arena) {
	if (operation == OPERATION_SET) *words = (struct words){.set = true};
	for (size_t i = 0; i < entry->words.count; i++)
		if (operation == OPERATION_REMOVE)
			words_remove(words, entry->words.word[i]);
		else if (operation == OPERATION_SET || !words_contain(words, entry->words.word[i]))
			words_add(arena, words, entry->words.word[i]);
	words->set = true;
}

/* Applies one assignment to a service, or as part of `defaults`. Returns 0, or -1 and why. */
int attr_apply(struct service *service, const struct entry *entry, bool in_defaults, struct reason *why) {
	const struct attr *attr = find(entry->name);
	if (attr == NULL) return reason_set(why, "unknown attribute '%s'", entry->name);
	if (in_defaults && !(attr->scope & IN_DEFAULTS))
		return reason_set(why, "%s: not an attribute of defaults", attr->name);
	if (!in_defaults && !(attr->scope & IN_SERVICE))
		return reason_set(why, "%s: an attribute of defaults only", attr->name);
	if (entry->operation != OPERATION_SET && !attr->type->is_set)
		return reason_set(why, "%s: takes only '='", attr->name);
	if (entry->words.count < attr->type->least)
		return reason_set(why, "%s: needs %s", attr->name, attr->type->least == 1 ? "a value" : "more values");
	if (entry->words.count > attr->type->most)
		return reason_set(
		    why, "%s: too many values, from '%s' on", attr->name, entry->words.word[attr->type->most]);

	struct entry *value = &service->values[attr - table];
	bool adds = in_defaults && attr->type->is_set && entry->operation == OPERATION_SET;
	merge(&value->words, entry, adds ? OPERATION_ADD : entry->operation, service->loading);
	value->place = entry->place;
	struct reason detail = {.text = ""};
	struct reading reading = {service->arena, attr, value->words.word, value->words.count, &entry->place, &detail};
	if (attr->type->read((char *)service + attr->field, &reading) < 0)
		return reason_set(why, "%s: %s", attr->name, detail.text);
	return 0;
}

/* Applies a value that superd itself knows; it cannot fail but for the want of a file or a name. */
int attr_set(struct service *service, const char *name, const char *text, struct reason *why) {
	struct entry entry = {.name = name, .operation = OPERATION_SET, .place = service->place};
	words_split(service->loading, &entry.words, text);
	return attr_apply(service, &entry, false, why);
}

/* Where an attribute was set, or else where the service begins. */
static const struct place *place_of(const struct service *service, const char *name) {
	const struct attr *attr = find(name);
	const struct place *place = attr != NULL ? &service->values[attr - table].place : &service->place;
	return place->file != NULL ? place : &service->place;
}

/* Notes why an attribute's value will not do, with its name before that, and the place. Returns -1. */
int attr_fail(const struct service *service, const char *name, struct reason *why, const char *format, ...) {
	size_t used = (size_t)snprintf(why->text, sizeof why->text, "%s: ", name);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why->text + used, sizeof why->text - used, format, arguments);
	va_end(arguments);
	why->place = *place_of(service, name);
	return -1;
}

/* Notes why superd refuses, by design, what an attribute asks for. Returns SERVICE_LEFT_OUT. */
int attr_refuse(const struct service *service, const char *name, struct reason *why, const char *text) {
	reason_set(why, "%s", text);
	why->place = *place_of(service, name);
	return SERVICE_LEFT_OUT;
}

/* Makes room for the attributes' words, and gives each what it is before anything sets it. */
void attr_begin(struct service *service) {
	struct reason why;
	service->loading = mem_arena_new();
	service->values = mem_alloc(service->loading, LENGTH(table) * sizeof *service->values);
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		if (attr->type->is_number) *(long *)(void *)((char *)service + attr->field) = UNSET;
		if (attr->preset != NULL) attr_set(service, attr->name, attr->preset, &why);
	}
}

/* Whether two names, in any case, are of one attribute. */
bool attr_is_same(const char *name, const char *other) {
	const struct attr *attr = find(name);
	return attr != NULL && attr == find(other);
}

/* Whether the attribute is a set, which may be assigned to again. */
bool attr_is_set(const char *name) {
	const struct attr *attr = find(name);
	return attr != NULL && attr->type->is_set;
}

/* Prints the service as a configuration file would have it, complete. */
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

static void print_values(const struct attr *attr, FILE *to) {
	if (attr->words == NULL)
		fputs(attr->type->values, to);
	else
		for (const struct attr_word *word = attr->words; word->name != NULL; word++)
			fprintf(to, "%s%s", word == attr->words ? "" : " ", word->name);
}

/* Prints the table, a line an attribute, tab-separated: name, operators, values, scope, default, doc. */
void attr_print_table(FILE *to) {
	for (const struct attr *attr = table; attr < table + LENGTH(table); attr++) {
		static const char *const scopes[] = {
		    [IN_SERVICE] = "service", [IN_DEFAULTS] = "defaults", [IN_BOTH] = "both"};
		fprintf(to, "%s\t%s\t", attr->name, attr->type->is_set ? "= += -=" : "=");
		print_values(attr, to);
		fprintf(to, "\t%s\t%s\t%s\n", scopes[attr->scope], attr->preset ? attr->preset : "none", attr->doc);
	}
}
