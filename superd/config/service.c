/*
 * service: from attributes to a service that is ready to run. The user and groups, the program, the addresses and the
 * environment are looked up here, once; nothing is looked up while serving.
 */
#include "config.h"

#include <netdb.h>
#include <strings.h>
#include <sys/stat.h>

extern char **environ;

/* A service with every attribute at its default. The caller holds the one reference to it. */
struct service *service_new(const char *name, const struct location *location) {
	struct arena *arena = mem_arena_new();
	struct service *service = mem_alloc(arena, sizeof *service);
	service->arena = arena;
	service->references = 1;
	service->name = mem_copy(arena, name);
	service->location = (struct location){mem_copy(arena, location->file), location->line};
	attr_begin(service);
	return service;
}

/* Frees what was needed only to load the service. */
static void end_loading(struct service *service) {
	mem_arena_free(service->loading);
	service->loading = NULL;
	service->values = NULL;
}

/* One more reference to the service. Returns the service. */
struct service *service_retain(struct service *service) {
	service->references++;
	return service;
}

/* One reference less; the last one frees the service. */
void service_release(struct service *service) {
	if (--service->references > 0) return;
	end_loading(service);
	mem_arena_free(service->arena);
}

/* What xinetd does and superd refuses to do. Returns SERVICE_LEFT_OUT and an error, or 0. */
static int check_refused(const struct service *service, struct error *error) {
	static const struct {
		bool in_type;
		long bit;
		const char *error;
	} refused[] = {
	    {true, TYPE_RPC, "type = RPC: superd does not speak to a portmapper"},
	    {true, TYPE_TCPMUX | TYPE_TCPMUXPLUS, "type = TCPMUX: superd does not multiplex services on one port"},
	    {false, FLAG_IDONLY, "flags = IDONLY: superd asks no ident server (RFC 1413), whose answer proves nothing"},
	    {false, FLAG_INTERCEPT, "flags = INTERCEPT: superd does not read what clients send"},
	    {false, FLAG_LABELED, "flags = LABELED: superd does not change SELinux contexts"},
	};
	for (size_t i = 0; i < LENGTH(refused); i++)
		if ((refused[i].in_type ? service->type : service->flags) & refused[i].bit)
			return attr_refuse(service, refused[i].in_type ? "type" : "flags", error, refused[i].error);
	return 0;
}

/* socket_type and protocol, each from the other if need be. */
static int resolve_socket(struct service *service, struct error *error) {
	if (service->socket_type == UNSET && service->protocol == NULL)
		return attr_fail(service, "socket_type", error, "missing, and protocol too");
	if (service->socket_type == UNSET)
		attr_set(service, "socket_type", strcmp(service->protocol, "udp") == 0 ? "dgram" : "stream", error);
	bool is_stream = service->socket_type == SOCK_STREAM, is_dgram = service->socket_type == SOCK_DGRAM;
	if (service->protocol == NULL && (is_stream || is_dgram))
		attr_set(service, "protocol", is_stream ? "tcp" : "udp", error);
	if (service->protocol == NULL)
		return attr_fail(service, "protocol", error, "missing, which this socket_type needs");

	bool is_tcp = strcmp(service->protocol, "tcp") == 0, is_udp = strcmp(service->protocol, "udp") == 0;
	if ((is_tcp || is_udp) && (is_tcp != is_stream || is_udp != is_dgram))
		return attr_fail(service, "protocol", error, "%s does not go with this socket_type", service->protocol);
	if (!is_tcp && !is_udp) {
		const struct protoent *entry = getprotobyname(service->protocol);
		if (entry == NULL)
			return attr_fail(service, "protocol", error, "unknown protocol '%s'", service->protocol);
		service->protocol_number = entry->p_proto;
	}
	if (service->wait == UNSET) return attr_fail(service, "wait", error, "missing");
	if (service->socket_type != SOCK_STREAM && !service->wait)
		return attr_fail(service, "wait", error, "only a stream service can have wait = no");
	return 0;
}

/* The port: as given, or as /etc/services has it. */
static int resolve_port(struct service *service, struct error *error) {
	const struct servent *listed = getservbyname(service->name, service->protocol);
	int listed_port = listed != NULL ? ntohs((uint16_t)listed->s_port) : 0;
	if (service->port == UNSET && listed == NULL)
		return attr_fail(service, "port", error, "missing, and no %s service '%s' is in /etc/services",
		    service->protocol, service->name);
	if (service->port == UNSET)
		return attr_set(service, "port", mem_print(service->loading, "%d", listed_port), error);
	if (listed != NULL && listed_port != service->port && !(service->type & TYPE_UNLISTED) && service->port != 0)
		log_warning_at(&service->location, "port: %ld, though /etc/services has %d for %s; %ld is used",
		    service->port, listed_port, service->name, service->port);
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
	long wanted = service->flags & (FLAG_IPV4 | FLAG_IPV6);
	return wanted == 0 || wanted & (family == AF_INET ? FLAG_IPV4 : FLAG_IPV6);
}

static int add_host(struct service *service, const char *host, struct error *error) {
	const char *port = mem_print(service->loading, "%ld", service->port);
	struct endpoint *found;
	size_t before = service->address_count;
	struct error detail = {.text = ""};
	int count = addr_resolve(service->loading, host, port, &found, &detail);
	if (count < 0) return attr_fail(service, "bind", error, "%s", detail.text);
	for (int i = 0; i < count; i++)
		if (is_wanted_family(service, found[i].at.any.sa_family)) add_address(service, &found[i]);
	for (int i = 0; i < count && service->address_count == before; i++)
		add_address(service, &found[i]); /* the host has addresses of the other family only: use those */
	return 0;
}

static int add_path(struct service *service, const char *path, struct error *error) {
	struct endpoint address;
	struct error detail = {.text = ""};
	if (service->socket_type == SOCK_RAW)
		return attr_fail(service, "bind", error, "%s: a raw socket has no path", path);
	if (addr_from_path(path, &address, &detail) < 0) return attr_fail(service, "bind", error, "%s", detail.text);
	add_address(service, &address);
	return 0;
}

/*
 * Where to listen: at the sockets that a supervisor passed under the service's id, or all of them for a command without a
 * port; else at the addresses in the attributes. Every interface is [::], which takes IPv4 too, or 0.0.0.0 where there is
 * no IPv6.
 */
static int resolve_addresses(struct service *service, struct error *error) {
	bool is_passed_all = service->from_command_line && !service->bind.set && service->port == UNSET;
	const struct inherited_socket *passed;
	for (size_t i = 0; (passed = inherited_passed(i, is_passed_all ? NULL : service->id)) != NULL; i++)
		add_address(service, &passed->configured);
	if (is_passed_all || service->address_count > 0) return 0;
	service->any_loopback = service->from_command_line && !service->bind.set;
	if (service->any_loopback) attr_set(service, "bind", "127.0.0.1 ::1", error);
	struct words words = service->bind;
	if (!words.set) words_add(service->loading, &words, "*");
	if (!addr_are_paths(&words) && resolve_port(service, error) < 0) return -1;
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.word[i];
		if (strcmp(word, "*") == 0) word = is_wanted_family(service, AF_INET6) ? "::" : "0.0.0.0";
		if ((word[0] == '/' ? add_path(service, word, error) : add_host(service, word, error)) < 0) return -1;
	}
	return 0;
}

/* The user and the groups. Only root can change to another user; that is no error while the configuration is only checked. */
static int resolve_user(struct service *service, bool checking, struct error *error) {
	if (!service->user.set && !service->group.set) return 0;
	if (!service->user.set) service->user.uid = geteuid();
	if (!service->group.set) service->group.gid = service->user.gid;
	bool is_own = service->user.uid == geteuid() && service->group.gid == getegid();
	if (geteuid() != 0 && (is_own || checking)) return 0;
	if (geteuid() != 0)
		return attr_fail(service, service->user.set ? "user" : "group", error,
		    "'%s': only root can run a program as somebody else",
		    service->user.set ? service->user.word : service->group.word);
	service->change_user = true;
	if (service->groups && service->user.name != NULL)
		service->group_count =
		    sys_user_groups(service->arena, service->user.name, service->user.gid, &service->group_ids);
	return 0;
}

/* A service without a program. Returns 0, or SERVICE_LEFT_OUT or -1 and an error. */
static int resolve_internal(struct service *service, struct error *error) {
	static const char *const refused[] = {"servers", "services", "xadmin", "tcpmux"};
	static const struct named_value names[] = {{"echo", INTERNAL_ECHO}, {"discard", INTERNAL_DISCARD},
	    {"chargen", INTERNAL_CHARGEN}, {"daytime", INTERNAL_DAYTIME}, {"time", INTERNAL_TIME}, {NULL, 0}};
	bool is_redirect = service->redirect.host != NULL;
	service->is_internal = service->type & TYPE_INTERNAL || service->flags & FLAG_SENSOR || is_redirect;
	for (size_t i = 0; i < LENGTH(refused) && service->type & TYPE_INTERNAL; i++)
		if (strcasecmp(service->name, refused[i]) == 0)
			return attr_refuse(service, "type", error,
			    "superd tells strangers nothing of its services, and multiplexes none");
	if (is_redirect && (service->socket_type != SOCK_STREAM || service->wait))
		return attr_fail(service, "redirect", error, "only for a stream service with wait = no");
	if (!service->is_internal || is_redirect || service->flags & FLAG_SENSOR) return 0;
	const struct named_value *internal = named_value_find(names, service->name);
	if (internal == NULL)
		return attr_fail(service, "type", error, "there is no internal service '%s'", service->name);
	service->internal = (enum internal)internal->value;
	return 0;
}

static int resolve_program(struct service *service, struct error *error) {
	struct stat about;
	if (service->is_internal) return 0;
	if (!service->user.set && !service->from_command_line) return attr_fail(service, "user", error, "missing");
	if (service->server == NULL) return attr_fail(service, "server", error, "missing");
	if (service->server[0] != '/')
		return attr_fail(service, "server", error, "'%s' is not an absolute path", service->server);
	const char *path = service->chroot == NULL
			       ? service->server
			       : mem_print(service->arena, "%s%s", service->chroot, service->server);
	if (stat(path, &about) < 0) return attr_fail(service, "server", error, "%s: %s", path, strerror(errno));
	if (!S_ISREG(about.st_mode)) return attr_fail(service, "server", error, "%s: not a regular file", path);
	if (access(path, X_OK) < 0) return attr_fail(service, "server", error, "%s: not executable", path);
	if (service->flags & FLAG_NAMEINARGS && service->server_args.count == 0)
		return attr_fail(service, "flags", error, "NAMEINARGS needs the name in server_args");
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
static const char *own_names[] = {"PROTO", "TCPLOCALIP", "TCPLOCALPORT", "TCPLOCALHOST", "TCPREMOTEIP", "TCPREMOTEPORT",
    "TCPREMOTEHOST", "TCPREMOTEINFO", "UNIXLOCALPATH", "UNIXREMOTEUID", "UNIXREMOTEPATH", "REMOTE_ADDR", "REMOTE_PORT",
    "REMOTE_HOST", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
    "SUPERD_STATE"};

static const struct words own_variables = {.word = own_names, .count = LENGTH(own_names)};

/* Whether one of the list's words, from the first on, is NAME or NAME=VALUE of this variable. */
static bool is_named(const struct words *words, size_t first, const char *variable) {
	size_t length = strcspn(variable, "=");
	for (size_t i = first; i < words->count; i++)
		if (strcspn(words->word[i], "=") == length && strncmp(words->word[i], variable, length) == 0)
			return true;
	return false;
}

static bool is_passed(const struct service *service, const char *variable) {
	return !is_named(&own_variables, 0, variable) && !is_named(&service->env, 0, variable) &&
	       (!service->passenv.set || is_named(&service->passenv, 0, variable));
}

/* The array has room for all variables from the first: one that grows would leave its smaller copies in the arena. */
static void resolve_environment(struct service *service) {
	size_t room = service->env.count + 1, count = 0;
	for (char **variable = environ; *variable != NULL; variable++) room++;
	const char **variables = mem_alloc(service->arena, room * sizeof *variables);
	for (char **variable = environ; *variable != NULL; variable++)
		if (is_passed(service, *variable)) variables[count++] = *variable;
	for (size_t i = 0; i < service->env.count; i++)
		if (!is_named(&own_variables, 0, service->env.word[i]) &&
		    !is_named(&service->env, i + 1, service->env.word[i]))
			variables[count++] = service->env.word[i];
	service->environment = (char **)(void *)variables;
	service->environment_count = count;
}

static void resolve_world(struct service *service, struct error *error) {
	char own_directory[PATH_MAX];
	mode_t own_umask = umask(022);
	umask(own_umask);
	if (service->umask == UNSET)
		attr_set(service, "umask", mem_print(service->loading, "%04o", (unsigned)own_umask | 022), error);
	service->change_umask = (mode_t)service->umask != own_umask;
	service->change_directory = service->chroot != NULL || getcwd(own_directory, sizeof own_directory) == NULL ||
				    strcmp(own_directory, service->directory) != 0;
}

/* A hash of the service as it prints: two services with the same fingerprint are the same. */
static void take_fingerprint(struct service *service) {
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	if (stream == NULL) return;
	attr_print_service(service, stream);
	fclose(stream);
	service->fingerprint = hash_bytes(0, text, length);
	free(text);
}

static int check_directories(const struct service *service, struct error *error) {
	const char *names[] = {"chroot", "directory"}, *paths[] = {service->chroot, service->directory};
	struct stat about;
	if (service->chroot != NULL)
		paths[1] = mem_print(service->loading, "%s/%s", service->chroot, service->directory);
	for (size_t i = 0; i < LENGTH(names); i++)
		if (paths[i] != NULL && (stat(paths[i], &about) < 0 || !S_ISDIR(about.st_mode)))
			return attr_fail(service, names[i], error, "%s: not a directory", paths[i]);
	return 0;
}

/*
 * A program with wait = yes that accepts by itself: superd does not see its clients, and can refuse none. The sender of a
 * datagram is known, but the datagram would have to wait for the DNS.
 */
static int check_accepting(const struct service *service, struct error *error) {
	const struct address_list *lists[] = {&service->only_from, &service->no_access};
	const char *names[] = {"only_from", "no_access"};
	bool is_dgram = service->socket_type == SOCK_DGRAM;
	for (size_t i = 0; i < LENGTH(lists) && service->wait; i++)
		if (is_dgram ? lists[i]->domains : lists[i]->set)
			return attr_fail(service, names[i], error, "%s",
			    is_dgram
				? "a .domain is not for datagrams"
				: "the program accepts by itself (wait = yes), so superd does not see its clients");
	return 0;
}

/*
 * Makes a service ready to run. Returns 0; or an error and SERVICE_LEFT_OUT if superd refuses such a service by design, or
 * else -1. The service can be printed afterwards only if `checking`.
 */
int service_resolve(struct service *service, bool checking, struct error *error) {
	if (service->id == NULL) attr_set(service, "id", service->name, error);
	if (check_refused(service, error) != 0) return SERVICE_LEFT_OUT;
	resolve_world(service, error);
	if (check_directories(service, error) < 0 || resolve_socket(service, error) < 0 ||
	    check_accepting(service, error) < 0)
		return -1;
	int internal = resolve_internal(service, error);
	if (internal != 0) return internal;
	if (resolve_addresses(service, error) < 0 || resolve_user(service, checking, error) < 0 ||
	    resolve_program(service, error) < 0)
		return -1;
	resolve_environment(service);
	take_fingerprint(service);
	if (!checking) end_loading(service);
	return 0;
}
