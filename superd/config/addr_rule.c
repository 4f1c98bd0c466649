/*
 * addr_rule: the words of only_from, no_access and proxy_from, and how a client matches them. Each word becomes prefixes of
 * 128 bits, IPv4 mapped into ::ffff:0:0/96, so that one comparison serves all. Tried in this order: a numeric address, a prefix, a factorised
 * address, a .domain, a name in /etc/networks, a host name (xinetd.conf(5), only_from).
 */
#include "config.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { V4 = 96 }; /* where the bits of a mapped IPv4 address begin */

static struct source source_v4(uint32_t address) {
	return (struct source){0, UINT64_C(0xffff) << 32 | address};
}

/* An IPv4 address whose trailing zero octets are wildcards; 0.0.0.0 is every address, IPv6 too. */
static struct prefix prefix_v4_wildcard(uint32_t address) {
	unsigned bits = 32;
	while (bits > 0 && (address >> (32 - bits) & 0xff) == 0) bits -= 8;
	return (struct prefix){source_v4(address), bits == 0 ? 0 : V4 + bits};
}

static void rule_add(struct arena *arena, struct address_rule *rule, struct prefix prefix) {
	rule->prefixes = mem_grow(arena, rule->prefixes, rule->count, sizeof prefix);
	prefix.source = addr_source_prefix(prefix.source, prefix.bits);
	rule->prefixes[rule->count++] = prefix;
}

/* An address with or without /BITS. Returns 1 if the word was one, 0 if it is something else, -1 and why. */
static int read_numeric(struct arena *arena, const char *word, struct address_rule *rule, struct error *error) {
	char address[INET6_ADDRSTRLEN];
	struct in_addr in;
	struct endpoint in6 = {.at.in6.sin6_family = AF_INET6};
	size_t length = strcspn(word, "/");
	if (length >= sizeof address) return 0;
	memcpy(address, word, length);
	address[length] = '\0';
	bool is_v4 = inet_pton(AF_INET, address, &in) == 1;
	if (!is_v4 && inet_pton(AF_INET6, address, &in6.at.in6.sin6_addr) != 1) return 0;

	struct source source = is_v4 ? source_v4(ntohl(in.s_addr)) : addr_source(&in6, 0);
	if (word[length] == '\0') {
		rule_add(arena, rule, is_v4 ? prefix_v4_wildcard(ntohl(in.s_addr)) : (struct prefix){source, 128});
		return 1;
	}
	const char *text = word + length + 1;
	int64_t bits = text_read_number(&text, 3, is_v4 ? 32 : 128);
	if (bits < 0 || *text != '\0')
		return error_set(error, "'%s': the prefix length is a number up to %d", word, is_v4 ? 32 : 128);
	bool is_any = is_v4 && bits == 0 && in.s_addr == 0;
	rule_add(arena, rule, (struct prefix){source, is_any ? 0 : (unsigned)bits + (is_v4 ? V4 : 0)});
	return 1;
}

/* A.B.C.{D,E}, with one to three octets before the braces. Returns 0, or -1 and an error. */
static int read_factorised(struct arena *arena, const char *word, struct address_rule *rule, struct error *error) {
	const char *text = word;
	uint32_t head = 0;
	unsigned octets = 0;
	while (*text != '{') {
		int64_t octet = text_read_number(&text, 3, 255);
		if (octet < 0 || ++octets > 3 || *text++ != '.')
			return error_set(error, "'%s' is not A.B.C.{D,E}", word);
		head = head << 8 | (uint32_t)octet;
	}
	do {
		text++;
		int64_t octet = text_read_number(&text, 3, 255);
		if (octet < 0) return error_set(error, "'%s' is not A.B.C.{D,E}", word);
		uint32_t address = (head << 8 | (uint32_t)octet) << (24 - 8 * octets);
		rule_add(arena, rule, (struct prefix){source_v4(address), V4 + 8 * (octets + 1)});
	} while (*text == ',');
	if (strcmp(text, "}") != 0) return error_set(error, "'%s' is not A.B.C.{D,E}", word);
	return 0;
}

static bool looks_like_name(const char *word) {
	return strspn(word, LETTERS "0123456789-_.") == strlen(word) && strpbrk(word, LETTERS) != NULL;
}

static void read_host(
    struct arena *arena, const char *word, const struct location *location, struct address_rule *rule) {
	struct endpoint *found;
	struct error error = {.text = ""};
	int count = addr_resolve(arena, word, NULL, &found, &error);
	if (count < 0) log_warning_at(location, "%s; it matches no address", error.text);
	for (int i = 0; i < count; i++) rule_add(arena, rule, (struct prefix){addr_source(&found[i], 0), 128});
}

/* Reads one word. A host name that does not resolve is warned about, and matches no address. Returns 0, or -1 and an error. */
int addr_read_rule(struct arena *arena, const char *word, const struct location *location, struct address_rule *rule,
    struct error *error) {
	*rule = (struct address_rule){.word = mem_copy(arena, word)};
	int numeric = read_numeric(arena, word, rule, error);
	if (numeric != 0) return numeric < 0 ? -1 : 0;
	if (strchr(word, '{') != NULL) return read_factorised(arena, word, rule, error);
	if (!looks_like_name(word)) return error_set(error, "'%s' is neither an address nor a name", word);
	if (word[0] == '.')
		return addr_numeric_only ? error_set(error, "'%s' needs the DNS, which -n forbids", word) : 0;
	const struct netent *network = getnetbyname(word);
	if (network == NULL || network->n_addrtype != AF_INET) {
		read_host(arena, word, location, rule);
		return 0;
	}
	uint32_t address = network->n_net;
	while (address != 0 && (address & 0xff000000) == 0) address <<= 8;
	rule_add(arena, rule, prefix_v4_wildcard(address));
	return 0;
}

static void print_prefix(const struct prefix *prefix, FILE *to) {
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN];
	for (int i = 0; i < 8; i++) {
		address.s6_addr[i] = (unsigned char)(prefix->source.high >> (56 - 8 * i));
		address.s6_addr[i + 8] = (unsigned char)(prefix->source.low >> (56 - 8 * i));
	}
	bool is_v4 = prefix->bits > V4 && IN6_IS_ADDR_V4MAPPED(&address);
	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? (void *)&address.s6_addr[12] : &address, text, sizeof text);
	fprintf(to, " %s/%u", text, is_v4 ? prefix->bits - V4 : prefix->bits);
}

/* Prints the prefixes of the rule, each after a blank; a .domain, or a name that did not resolve, as written. */
void addr_print_rule(const struct address_rule *rule, FILE *to) {
	if (rule->count == 0) fprintf(to, " %s", rule->word);
	for (size_t i = 0; i < rule->count; i++) print_prefix(&rule->prefixes[i], to);
}

/* Whether one of the list's addresses is the source's. A .domain is looked up elsewhere (domain.c). */
bool addr_list_matches(const struct address_list *list, struct source source) {
	for (size_t i = 0; i < list->count; i++) {
		const struct address_rule *rule = &list->rules[i];
		for (size_t j = 0; j < rule->count; j++) {
			struct source masked = addr_source_prefix(source, rule->prefixes[j].bits);
			if (addr_source_equal(masked, rule->prefixes[j].source)) return true;
		}
	}
	return false;
}

/*
 * Whether no_access and only_from admit the source. Where only_from has a .domain, only the DNS can tell (domain.c), and
 * this returns true.
 */
bool addr_lists_admit(const struct service *service, struct source source) {
	if (service->no_access.set && addr_list_matches(&service->no_access, source)) return false;
	return !service->only_from.set || service->only_from.domains || addr_list_matches(&service->only_from, source);
}
