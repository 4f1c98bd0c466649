/* SPDX-License-Identifier: ISC */
/*
 * inetd: a line of inetd.conf(5), in the forms that the inetds of OpenBSD, FreeBSD, NetBSD, GNU and busybox read, as the block
 * of xinetd.conf(5) that means the same. What a line cannot say is as inetd has it.
 */
#include "attr.h"

#include <pwd.h>
#include <strings.h>

enum { SERVICE, TYPE, PROTOCOL, WAIT, USER, PROGRAM, ARGUMENTS };

struct line {
	struct config *config;
	const struct location *here;
	struct block *block;
	struct words words;
};

#define wrong(line, ...) (log_error_at((line)->here, __VA_ARGS__), (line)->block->is_broken = true)

/* Adds an assignment, whose value is printed as by printf(3) and split at blanks. Its words are the result. */
#define add(line, name, ...) add_text(line, name, mem_print((line)->config->loading, __VA_ARGS__))

static struct words *add_text(const struct line *line, const char *name, const char *value) {
	struct words *words = &block_assign(line->config, line->block, name, line->here)->words;
	words_split(line->config->loading, words, value);
	return words;
}

/* The length of wait or nowait at the beginning of the word, or 0. */
static size_t match_wait(const char *word) {
	size_t length = strcspn(word, ".:/");
	bool is_one =
	    (length == 4 && strncasecmp(word, "wait", 4) == 0) || (length == 6 && strncasecmp(word, "nowait", 6) == 0);
	return is_one ? length : 0;
}

/* A rate a minute, as one a second. */
static long a_second(int64_t a_minute) { return (long)((a_minute + 59) / 60); }

/* Up to `most` numbers, each after a / or the first after another sign. Returns whether there is nothing else. */
static bool read_numbers(const char *text, int64_t *number, size_t most) {
	for (size_t i = 0; *text != '\0' && i < most && (i == 0 || *text == '/'); i++) {
		text++;
		number[i] = text_read_number(&text, 9, INT_MAX);
	}
	return *text == '\0' && number[0] >= 0 && number[1] >= 0 && number[2] >= 0;
}

/* wait, nowait, with .MAX (or :MAX) a minute, or with FreeBSD's /CHILDREN/A-MINUTE-OF-A-SOURCE/CHILDREN-OF-A-SOURCE. */
static void read_wait(const struct line *line) {
	const char *word = line->words.word[WAIT], *rest = word + match_wait(word);
	int64_t number[3] = {0};
	bool is_rate = *rest == '.' || *rest == ':';
	if (rest == word || !read_numbers(rest, number, is_rate ? 1 : LENGTH(number))) {
		wrong(line, "'%s' is neither wait nor nowait, with .NUMBER or /NUMBER/NUMBER/NUMBER", word);
		return;
	}
	add(line, "wait", rest - word == 4 ? "yes" : "no");
	if (is_rate && number[0] > 0) add(line, "cps", "%ld 10", a_second(number[0]));
	else add(line, "cps", "0");
	if (!is_rate && number[0] > 0) add(line, "instances", "%ld", (long)number[0]);
	if (number[1] > 0) add(line, "per_source_cps", "%ld", a_second(number[1]));
	if (number[2] > 0) add(line, "per_source", "%ld", (long)number[2]);
}

/* USER, USER.GROUP, USER:GROUP, and with FreeBSD's /CLASS. A user's name may have a dot. */
static void read_user(const struct line *line) {
	char *user = mem_copy(line->config->loading, line->words.word[USER]);
	char *class = strchr(user, '/'), *group = strchr(user, ':');
	if (class != NULL) log_warning_at(line->here, "'%s': superd has no login classes; it is ignored", class);
	if (class != NULL) *class = '\0';
	if (group == NULL && getpwnam(user) == NULL) group = strrchr(user, '.');
	if (group != NULL) *group++ = '\0';
	add(line, "user", "%s", user);
	if (group != NULL) add(line, "group", "%s", group);
	add(line, "groups", "yes");
}

/* The protocol. Returns the flag that goes with it. */
static const char *read_protocol(const struct line *line) {
	static const struct named_value families[] = {
	    {"tcp4", 4}, {"tcp6", 6}, {"tcp46", 0}, {"udp4", 4}, {"udp6", 6}, {"udp46", 0}, {NULL, 0}};
	char *word = mem_copy(line->config->loading, line->words.word[PROTOCOL]), *options = strchr(word, ',');
	if (options != NULL)
		log_warning_at(line->here, "'%s': superd leaves the size of buffers to the system", options);
	if (options != NULL) *options = '\0';
	const struct named_value *family = named_value_find(families, word);
	long version = family != NULL ? family->value : 0;
	if (family != NULL) add(line, "protocol", "%.3s", family->name);
	else if (strcasecmp(word, "unix") != 0) add(line, "protocol", "%s", word);
	if (version == 6) add(line, "v6only", "yes");
	return version != 0 ? mem_print(line->config->loading, "IPv%ld", version) : "";
}

/* ADDRESS,ADDRESS:SERVICE, where there is an address; [...] may be around one of IPv6. Returns the service. */
static char *cut_address(char *word, const char **address) {
	char *colon = strrchr(word, ':');
	if (colon == NULL || *word == '/') return word;
	*colon = '\0';
	for (char *byte = word; *byte != '\0'; byte++)
		if (strchr("[],", *byte) != NULL) *byte = ' ';
	*address = word;
	return colon + 1;
}

static void read_fields(const struct line *line, const char *service, const char *address) {
	const char **word = line->words.word;
	bool is_path = *service == '/', is_listed = service[strspn(service, "0123456789")] != '\0' && !is_path;
	bool is_internal = strcasecmp(word[PROGRAM], "internal") == 0;
	bool has_name = !is_internal && line->words.count > ARGUMENTS; /* argv[0] is given, too */
	if (is_internal || !is_listed)
		add(line, "type", "%s %s", is_internal ? "INTERNAL" : "", is_listed ? "" : "UNLISTED");
	add(line, "socket_type", "%s", word[TYPE]);
	const char *flag = read_protocol(line);
	read_wait(line);
	read_user(line);
	if (!is_internal) add(line, "server", "%s", word[PROGRAM]);
	struct words *arguments = has_name ? add(line, "server_args", "%s", "") : NULL;
	for (size_t i = ARGUMENTS; has_name && i < line->words.count; i++)
		words_add(line->config->loading, arguments, word[i]);
	if (has_name || *flag != '\0') add(line, "flags", "%s %s", flag, has_name ? "NAMEINARGS" : "");
	if (!is_listed && !is_path) add(line, "port", "%s", service);
	if (is_path || address != NULL) add(line, "bind", "%s", is_path ? service : address);
	add(line, "log_on_success", "%s", "");
	add(line, "stderr", "client");
}

/*
 * Reads a line outside all blocks, which begins with the word `first`, if it is one of inetd.conf(5). `address` is where those
 * services listen that name no address; a line of an address alone changes it. The text is cut up only if it is such a line.
 * Returns whether it is; an error in it is logged.
 */
bool inetd_read_line(
    struct config *config, const struct location *here, char *first, const char *rest, const char **address) {
	struct line line = {.config = config, .here = here};
	const char *own_address = *address;
	words_add(config->loading, &line.words, first);
	words_split(config->loading, &line.words, rest);
	const char **word = line.words.word;
	size_t count = line.words.count;
	if ((count == 1 || *word[1] == '#') && first[strlen(first) - 1] == ':') {
		cut_address(first, address);
		return true;
	}
	bool has_type = count > TYPE && named_value_find(attr_find("socket_type")->words, word[TYPE]) != NULL;
	if (!has_type && (count <= WAIT || match_wait(word[WAIT]) == 0)) return false;
	char *service = cut_address(first, &own_address);
	bool is_rpc = count > PROTOCOL && strncasecmp(word[PROTOCOL], "rpc/", 4) == 0;
	bool is_mux = strncasecmp(service, "tcpmux/", 7) == 0;
	line.block = block_add(config, *service == '/' ? block_name(config, service) : service, here);
	if (*line.block->name == '\0') {
		wrong(&line, "a service without a name");
	} else if (is_rpc || is_mux) {
		service[strcspn(service, "/")] = '\0';
		add(&line, "type", "%s", is_rpc ? "RPC" : "TCPMUX");
	} else if (count < ARGUMENTS)
		wrong(&line, "%s: fewer than six fields: service, socket type, protocol, wait or nowait, user, program",
		    service);
	else read_fields(&line, service, own_address);
	return true;
}
