/* SPDX-License-Identifier: ISC */
/*
 * service: from attributes to a service that is ready to run. The user and groups, the program, the addresses and the
 * environment are looked up here, once; nothing is looked up while serving. Every error is logged, with its location.
 */
#include "config.h"

#include <netdb.h>
#include <pwd.h>
#include <strings.h>
#include <sys/stat.h>

extern char **environ;

/*
 * A service with every attribute as in `defaults`, whose memory it shares; where these are NULL, with what each attribute is
 * unless it is set. The caller holds the one reference to it.
 */
struct service *service_new(struct service *defaults, const char *name, const struct location *location) {
	struct arena *arena = mem_arena_new();
	struct service *service = mem_alloc(arena, sizeof *service);
	if (defaults != NULL) {
		*service = *defaults;
		service->defaults = service_retain(defaults);
		service->config->unfinished = service;
	}
	service->arena = arena;
	service->references = 1;
	service->name = mem_copy(arena, name);
	service->location = *location;
	attr_begin(service);
	return service;
}

/* A copy with another id, in the memory of the original. The caller holds the one reference to it. */
struct service *service_copy(struct service *original, const char *id) {
	struct service *service = mem_alloc(original->arena, sizeof *service);
	*service = *original;
	service->arena = NULL;
	service->references = 1;
	service->defaults = service_retain(original);
	service->id = service->name = mem_copy(original->arena, id);
	return service;
}

/* One more reference to the service. Returns the service. */
struct service *service_retain(struct service *service) {
	service->references++;
	return service;
}

/* One reference less; the last one frees the service. NULL: nothing. */
void service_release(struct service *service) {
	if (service == NULL || --service->references > 0) return;
	struct service *defaults = service->defaults;
	mem_arena_free(service->arena);
	service_release(defaults);
}

/* The program and its arguments, however they are written. */
static int resolve_command(struct service *service) {
	const struct words *command = &service->command;
	if (command->count == 0) return 0;
	if (service->server != NULL || service->server_args.set)
		return attr_fail(service, "command", "server and server_args set the program, too");
	service->server = command->word[0];
	service->server_args = (struct words){.word = command->word + 1, .count = command->count - 1};
	return 0;
}

/* The umask, unless set; and whether the child has to change its own, or its directory. */
static int resolve_umask(struct service *service) {
	char own_directory[PATH_MAX];
	mode_t own_umask = umask(022);
	umask(own_umask);
	if (service->umask == UNSET)
		attr_set(service, "umask", mem_print(service->config->loading, "%04o", (unsigned)own_umask | 022));
	service->change_umask = (mode_t)service->umask != own_umask;
	service->change_directory = service->chroot != NULL || getcwd(own_directory, sizeof own_directory) == NULL ||
				    strcmp(own_directory, service->directory) != 0;
	return 0;
}

static int check_directories(struct service *service) {
	const char *names[] = {"chroot", "directory"}, *paths[] = {service->chroot, service->directory};
	struct stat about;
	if (service->chroot != NULL)
		paths[1] = mem_print(service->config->loading, "%s/%s", service->chroot, service->directory);
	for (size_t i = 0; i < LENGTH(names); i++)
		if (paths[i] != NULL && (stat(paths[i], &about) < 0 || !S_ISDIR(about.st_mode)))
			return attr_fail(service, names[i], "%s: not a directory", paths[i]);
	return 0;
}

/* What a service cannot do without. All that is missing is logged. */
static int check_missing(struct service *service) {
	service->is_internal =
	    service->type & TYPE_INTERNAL || service->flags & FLAG_SENSOR || service->redirect.host != NULL;
	bool needs_user = !service->is_internal && !service->from_command_line;
	int result = 0;
	if (service->socket_type == UNSET && service->protocol == NULL)
		result = attr_fail(service, "socket_type", "missing, and protocol too");
	if (service->wait == UNSET) result = attr_fail(service, "wait", "missing");
	if (needs_user && !service->user.set) result = attr_fail(service, "user", "missing");
	if (!service->is_internal && service->server == NULL) result = attr_fail(service, "server", "missing");
	return result;
}

/* socket_type and protocol, each from the other if need be. */
static int resolve_socket(struct service *service) {
	if (service->socket_type == UNSET)
		attr_set(service, "socket_type", strcmp(service->protocol, "udp") == 0 ? "dgram" : "stream");
	bool is_stream = service->socket_type == SOCK_STREAM, is_dgram = service->socket_type == SOCK_DGRAM;
	const char *usual = is_stream ? "tcp" : is_dgram ? "udp" : "";
	if (service->protocol == NULL && *usual == '\0')
		return attr_fail(service, "protocol", "missing, which this socket_type needs");
	if (service->protocol == NULL) attr_set(service, "protocol", usual);
	if (strcmp(service->protocol, usual) != 0) {
		const struct protoent *other = getprotobyname(service->protocol);
		if (strcmp(service->protocol, "tcp") == 0 || strcmp(service->protocol, "udp") == 0)
			return attr_fail(
			    service, "protocol", "%s does not go with this socket_type", service->protocol);
		if (other == NULL) return attr_fail(service, "protocol", "unknown protocol '%s'", service->protocol);
		service->protocol_number = other->p_proto;
	}
	if (!is_stream && !service->wait) return attr_fail(service, "wait", "only a stream service can have wait = no");
	return 0;
}

/*
 * Checks the address lists, and makes them quick to match with. A program with wait = yes that accepts by itself: superd does
 * not see its clients, and can refuse none. The sender of a datagram is known, but the datagram would have to wait for the DNS.
 * A list that is from `defaults` is that of `defaults`.
 */
static int resolve_lists(struct service *service) {
	struct service *common = service->defaults;
	const struct {
		const char *name;
		struct address_list *own, *common;
		bool is_access;
	} lists[] = {{"only_from", &service->only_from, &common->only_from, true},
	    {"no_access", &service->no_access, &common->no_access, true},
	    {"proxy_from", &service->proxy_from, &common->proxy_from, false},
	    {"no_log_from", &service->no_log_from, &common->no_log_from, false}};
	bool is_dgram = service->socket_type == SOCK_DGRAM;
	for (size_t i = 0; i < LENGTH(lists); i++) {
		struct address_list *own = lists[i].own, *shared = lists[i].common;
		if (own->domains != NULL && (is_dgram || !lists[i].is_access))
			return attr_fail(service, lists[i].name, "a .domain is not for %s",
			    is_dgram ? "datagrams" : "this attribute");
		if (service->wait && !is_dgram && lists[i].is_access && own->set)
			return attr_fail(service, lists[i].name,
			    "the program accepts by itself (wait = yes), so superd does not see its clients");
		bool is_shared = own->count > 0 && own->rules == shared->rules;
		if (is_shared && shared->prefixes == NULL) addr_list_sort(common->arena, shared);
		if (is_shared) *own = *shared;
		else addr_list_sort(service->arena, own);
	}
	return 0;
}

/* Whether superd itself serves, without a program, and if so, what. */
static int resolve_internal(struct service *service) {
	static const struct named_value names[] = {{"echo", INTERNAL_ECHO}, {"discard", INTERNAL_DISCARD},
	    {"chargen", INTERNAL_CHARGEN}, {"daytime", INTERNAL_DAYTIME}, {"time", INTERNAL_TIME}, {NULL, 0}};
	const struct named_value *internal = named_value_find(names, service->name);
	bool is_redirect = service->redirect.host != NULL;
	if (service->flags & FLAG_SENSOR && service->wait && service->socket_type != SOCK_DGRAM)
		return attr_fail(service, "flags", "SENSOR needs wait = no, since superd has to see the clients");
	if (service->flags & FLAG_SENSOR && service->socket_type == SOCK_DGRAM && service->deny_time != DENY_NEVER)
		log_warning_at(attr_location(service, "deny_time"),
		    "deny_time: a sender can forge the address of a datagram, and so have others refused");
	if (is_redirect && (service->socket_type != SOCK_STREAM || service->wait))
		return attr_fail(service, "redirect", "only for a stream service with wait = no");
	if (!service->is_internal || is_redirect || service->flags & FLAG_SENSOR) return 0;
	if (internal == NULL) return attr_fail(service, "type", "there is no internal service '%s'", service->name);
	service->internal = (enum internal)internal->value;
	return 0;
}

/* The port: as given, or as /etc/services has it. */
static int resolve_port(struct service *service) {
	const char *listed = lookup_port(service->config, service->name, service->protocol);
	if (service->port == UNSET && listed == NULL)
		return attr_fail(service, "port", "missing, and no %s service '%s' is in /etc/services",
		    service->protocol, service->name);
	if (service->port == UNSET) attr_set(service, "port", listed);
	bool is_other = listed != NULL && strtol(listed, NULL, 10) != service->port;
	if (is_other && !(service->type & TYPE_UNLISTED) && service->port != 0)
		log_warning_at(&service->location, "port: %ld, though /etc/services has %s for %s; %ld is used",
		    service->port, listed, service->name, service->port);
	return 0;
}

static void add_address(struct service *service, const struct endpoint *address) {
	for (size_t i = 0; i < service->address_count; i++)
		if (addr_equal(&service->addresses[i], address)) return;
	service->addresses = mem_grow(service->arena, service->addresses, service->address_count, sizeof *address);
	service->addresses[service->address_count++] = *address;
}

/* Whether the flags IPv4 and IPv6 allow an address of that family. Neither of them, or both, allow each. */
static bool is_wanted_family(const struct service *service, int family) {
	long unwanted = family == AF_INET ? FLAG_IPV6 : family == AF_INET6 ? FLAG_IPV4 : 0;
	return (service->flags & (FLAG_IPV4 | FLAG_IPV6)) != unwanted || unwanted == 0;
}

/* Whether the word is HOST:PORT or [HOST]:PORT. */
static bool has_port(const char *word) {
	const char *colon = strrchr(word, ':');
	return colon != NULL && colon[1] != '\0' && colon[1 + strspn(colon + 1, "0123456789")] == '\0' &&
	       (strchr(word, ':') == colon || word[0] == '[');
}

/* Adds the addresses of a word of `bind` that are of the wanted families. */
static int add_bind(struct service *service, const char *word) {
	struct arena *loading = service->config->loading;
	struct endpoint path, *found = &path;
	struct error error = {.text = ""};
	int count = 1, wanted = 0;
	if (strcmp(word, "*") == 0) word = is_wanted_family(service, AF_INET6) ? "::" : "0.0.0.0";
	if (word[0] == '/' && service->socket_type == SOCK_RAW)
		return attr_fail(service, "bind", "%s: a raw socket has no path", word);
	if (word[0] != '/')
		count = addr_resolve_meanwhile(loading, word, mem_print(loading, "%ld", service->port), &found, &error,
		    service->config->meanwhile);
	else if (addr_from_path(word, &path, &error) < 0) count = -1;
	if (count < 0 && has_port(word))
		return attr_fail(
		    service, "bind", "%s: the port goes to %s", word, service->from_command_line ? "-p" : "port");
	if (count < 0) return attr_fail(service, "bind", "%s", error.text);
	for (int i = 0; i < count; i++) {
		if (!is_wanted_family(service, found[i].at.any.sa_family)) continue;
		add_address(service, &found[i]);
		wanted++;
	}
	if (wanted > 0) return 0;
	return attr_fail(service, "bind", "%s has no %s address, which flags ask for", word,
	    service->flags & FLAG_IPV4 ? "IPv4" : "IPv6");
}

/*
 * Beside an IPv4 address, an IPv6 socket for every interface takes IPv6 alone. only_from = 0.0.0.0/0 refuses IPv6 clients, as
 * under xinetd, which few expect: a warning, once for a list.
 */
static void check_families(struct service *service) {
	const struct address_list *list = &service->only_from;
	bool has_ipv4 = false, has_ipv6 = false, has_any = false;
	for (size_t i = 0; i < service->address_count; i++) {
		int family = service->addresses[i].at.any.sa_family;
		has_ipv4 |= family == AF_INET;
		has_ipv6 |= family == AF_INET6;
		has_any |= family == AF_INET6 && addr_is_wildcard(&service->addresses[i]);
	}
	if (has_ipv4 && has_any) attr_set(service, "v6only", "yes");
	if (!has_ipv6 || !list->has_all_ipv4 || list->has_ipv6) return;
	const void **warned = lookup_slot(service->config, list->rules, "");
	if (*warned == NULL)
		log_warning_at(attr_location(service, "only_from"),
		    "only_from: 0.0.0.0/0 is every IPv4 address; IPv6 clients are refused");
	*warned = service;
}

/*
 * Where to listen: at the sockets that a supervisor passed under the service's id, or all of them for a command without a
 * port; else at the addresses in the attributes. Every interface is [::], which takes IPv4 too, or 0.0.0.0 where there is
 * no IPv6.
 */
static int resolve_addresses(struct service *service) {
	bool is_passed_all = service->from_command_line && !service->bind.set && service->port == UNSET;
	const struct inherited_socket *passed;
	for (size_t i = 0; (passed = inherited_find(i, is_passed_all ? NULL : service->id)) != NULL; i++)
		add_address(service, &passed->address);
	if (service->address_count > 0) return 0;
	if (is_passed_all) return attr_fail(service, "port", "-p is missing, and LISTEN_FDS passes superd no socket");
	service->any_loopback = service->from_command_line && !service->bind.set;
	if (service->any_loopback) attr_set(service, "bind", "127.0.0.1 ::1");
	if (!addr_are_paths(&service->bind) && resolve_port(service) < 0) return -1;
	for (size_t i = 0; i < service->bind.count; i++)
		if (add_bind(service, service->bind.word[i]) < 0) return -1;
	if (!service->bind.set && add_bind(service, "*") < 0) return -1;
	check_families(service);
	return 0;
}

/* Sets user and group to superd's own, for -t: a service from a file has to name its user. */
static void name_own_user(struct service *service) {
	struct arena *loading = service->config->loading;
	const struct passwd *own = getpwuid(geteuid());
	attr_set(service, "user", own != NULL ? own->pw_name : mem_print(loading, "%lu", (unsigned long)geteuid()));
	if (service->user.gid != getegid())
		attr_set(service, "group", mem_print(loading, "%lu", (unsigned long)getegid()));
}

/* The user's groups, which /etc/group is asked for once for each user. They stand in the memory of `defaults`. */
static const struct user_groups *find_groups(struct service *service) {
	struct arena *arena = service->defaults->arena;
	const void **known = lookup_slot(service->config, &service->defaults->user_groups, service->user.name);
	if (*known == NULL) {
		struct user_groups *groups = mem_alloc(arena, sizeof *groups);
		groups->count = sys_user_groups(arena, service->user.name, service->user.gid, &groups->ids);
		*known = groups;
	}
	return *known;
}

/* The user and the groups. Only root can change to another user; that is no error while the configuration is only checked. */
static int resolve_user(struct service *service) {
	struct identity *user = &service->user, *group = &service->group;
	if (!user->set && !group->set && service->from_command_line && service->config->options->check)
		name_own_user(service);
	if (!user->set && !group->set) return 0;
	if (!user->set) user->uid = geteuid();
	if (!group->set) group->gid = user->gid;
	bool is_own = user->uid == geteuid() && group->gid == getegid();
	if (geteuid() != 0 && (is_own || service->config->options->check)) return 0;
	bool is_group = group->word != NULL && user->uid == geteuid();
	if (geteuid() != 0)
		return attr_fail(service, is_group ? "group" : "user",
		    "'%s': only root can run a program as somebody else", is_group ? group->word : user->word);
	service->change_user = true;
	if (service->groups && user->name != NULL) service->user_groups = find_groups(service);
	return 0;
}

static int resolve_program(struct service *service) {
	struct stat about;
	if (service->is_internal) return 0;
	const char *name = service->command.set ? "command" : "server";
	if (service->server[0] != '/') return attr_fail(service, name, "'%s' is not an absolute path", service->server);
	const char *root = service->chroot != NULL ? service->chroot : "";
	const char *path = mem_print(service->config->loading, "%s%s", root, service->server);
	if (stat(path, &about) < 0) return attr_fail(service, name, "%s: %s", path, strerror(errno));
	if (!S_ISREG(about.st_mode)) return attr_fail(service, name, "%s: not a regular file", path);
	if (access(path, X_OK) < 0) return attr_fail(service, name, "%s: not executable", path);
	uid_t user = service->user.set ? service->user.uid : 0;
	trust_check_program(service->config, root, service->server, user, attr_location(service, name));
	if (service->flags & FLAG_NAMEINARGS && service->server_args.count == 0)
		return attr_fail(service, "flags", "NAMEINARGS needs the name in server_args");
	for (size_t i = 0; i < service->server_args.count && !service->command.set; i++)
		if (strchr("'\"", service->server_args.word[i][0]) != NULL)
			log_warning_at(attr_location(service, "server_args"),
			    "server_args: quotes are passed on to the program; command takes them as sh(1) does");
	struct words argv = {0};
	if (!(service->flags & FLAG_NAMEINARGS)) words_add(service->arena, &argv, strrchr(service->server, '/') + 1);
	for (size_t i = 0; i < service->server_args.count; i++)
		words_add(service->arena, &argv, service->server_args.word[i]);
	service->argv = (char **)(void *)argv.word;
	service->path =
	    service->relative_path != NULL && !service->change_directory ? service->relative_path : service->server;
	return 0;
}

/* Variables of a connection, or of superd's supervisor: never passed on from superd's own environment. */
static const char *own_variables[] = {"PROTO", "TCPLOCALIP", "TCPLOCALPORT", "TCPLOCALHOST", "TCPREMOTEIP",
    "TCPREMOTEPORT", "TCPREMOTEHOST", "TCPREMOTEINFO", "UNIXLOCALPATH", "UNIXREMOTEUID", "UNIXREMOTEPATH",
    "UNIXREMOTEEUID", "UNIXREMOTEEGID", "UNIXREMOTEPID", "UNIXLOCALUID", "UNIXLOCALGID", "UNIXLOCALPID", "REMOTE_ADDR",
    "REMOTE_PORT", "REMOTE_HOST", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC",
    "WATCHDOG_PID", "SUPERD_STATE", NULL};

/* Whether one of the words (NULL: none) is NAME or NAME=VALUE of this variable. */
static bool is_named(const char **word, const char *variable) {
	size_t length = strcspn(variable, "=");
	for (; word != NULL && *word != NULL; word++)
		if (strcspn(*word, "=") == length && strncmp(*word, variable, length) == 0) return true;
	return false;
}

/*
 * superd's own variables, as far as they are passed on, and those of `env`, of which the last of a name is used. Those of
 * another user than superd's own are the user's. Services that set none share one array, through `defaults`.
 */
static int resolve_environment(struct service *service) {
	static const char *names[] = {"HOME", "USER", "LOGNAME", "SHELL", NULL};
	const struct identity *user = &service->user;
	const char *values[] = {user->home, user->name, user->name, user->shell};
	const struct words *env = &service->env, *passenv = &service->passenv, *common = &service->defaults->passenv;
	bool is_other_user = user->set && user->uid != geteuid();
	bool is_own_set = env->count > 0 || passenv->set != common->set || passenv->word != common->word;
	bool is_shared = !is_other_user && !is_own_set;
	size_t room = env->count + LENGTH(names), count = 0;
	if (is_shared && service->environment != NULL) return 0;
	struct service *owner = is_shared ? service->defaults : service;
	for (char **variable = environ; *variable != NULL; variable++) room++;
	const char **variables = mem_alloc(owner->arena, room * sizeof(void *));
	for (char **variable = environ; *variable != NULL; variable++)
		if (!is_named(own_variables, *variable) && !is_named(env->word, *variable) &&
		    !(is_other_user && is_named(names, *variable)) &&
		    (!passenv->set || is_named(passenv->word, *variable)))
			variables[count++] = *variable;
	for (size_t i = 0; i < env->count; i++)
		if (!is_named(own_variables, env->word[i]) && !is_named(env->word + i + 1, env->word[i]))
			variables[count++] = env->word[i];
	for (size_t i = 0; is_other_user && names[i] != NULL; i++)
		if (values[i] != NULL && !is_named(env->word, names[i]))
			variables[count++] = mem_print(service->arena, "%s=%s", names[i], values[i]);
	service->environment = owner->environment = (char **)(void *)variables;
	service->environment_count = owner->environment_count = count;
	return 0;
}

/* Makes a service ready to run, while its configuration is loaded. Returns 0, or -1 if it has an error, which is logged. */
int service_resolve(struct service *service) {
	static int (*const steps[])(struct service *) = {resolve_command, check_missing, resolve_umask,
	    check_directories, resolve_socket, resolve_lists, resolve_internal, resolve_addresses, resolve_user,
	    resolve_program, resolve_environment};
	if (service->id == NULL) attr_set(service, "id", service->name);
	if (strlen(service->id) > ID_MAX_LENGTH)
		return attr_fail(service, "id", "'%.100s' has more than %d bytes", service->id, ID_MAX_LENGTH);
	for (size_t i = 0; i < LENGTH(steps); i++)
		if (steps[i](service) < 0) return -1;
	service->fingerprint = attr_hash(service);
	return 0;
}
