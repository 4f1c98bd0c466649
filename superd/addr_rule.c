/*
 * addr_rule: the words of only_from, no_access and proxy_from. Each becomes prefixes of 128 bits, IPv4 mapped into
 * ::ffff:0:0/96, so that one comparison serves all. Tried in this order: a numeric address, a prefix, a factorised
 * address, a .domain, a name in /etc/networks, a host name (xinetd.conf(5), only_from).
 */
#include "superd.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { V4 = 96 }; /* where the bits of a mapped IPv4 address begin */

static struct source source_v4(uint32_t address) {
	return (struct source){0, UINT64_C(0xffff) << 32 | address};
}

/* An IPv4 address whose trailing zero octets are wildcards; 0.0.0.0 is everyone, IPv6 too. */
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

/* A decimal number of at most three digits, up to max. Moves *text past it; returns -1 if it is not one. */
static int parse_small(const char **text, int max) {
	size_t digits = strspn(*text, "0123456789");
	long value = strtol(*text, NULL, 10);
	*text += digits;
	return digits < 1 || digits > 3 || value > max ? -1 : (int)value;
}

/* An address with or without /BITS. Returns 1 if the word was one, 0 if it is something else, -1 and why. */
static int read_numeric(struct arena *arena, const char *word, struct address_rule *rule, struct reason *why) {
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
	int bits = parse_small(&text, is_v4 ? 32 : 128);
	if (bits < 0 || *text != '\0')
		return reason_set(why, "'%s': the prefix length is a number up to %d", word, is_v4 ? 32 : 128);
	bool everyone = is_v4 && bits == 0 && in.s_addr == 0;
	rule_add(arena, rule, (struct prefix){source, everyone ? 0 : (unsigned)bits + (is_v4 ? V4 : 0)});
	return 1;
}

/* A.B.C.{D,E}, with one to three octets before the braces. Returns 0, or -1 and why. */
static int read_factorised(struct arena *arena, const char *word, struct address_rule *rule, struct reason *why) {
	const char *text = word;
	uint32_t head = 0;
	unsigned octets = 0;
	while (*text != '{') {
		int octet = parse_small(&text, 255);
		if (octet < 0 || ++octets > 3 || *text++ != '.')
			return reason_set(why, "'%s' is not A.B.C.{D,E}", word);
		head = head << 8 | (uint32_t)octet;
	}
	do {
		text++;
		int octet = parse_small(&text, 255);
		if (octet < 0) return reason_set(why, "'%s' is not A.B.C.{D,E}", word);
		uint32_t address = (head << 8 | (uint32_t)octet) << (24 - 8 * octets);
		rule_add(arena, rule, (struct prefix){source_v4(address), V4 + 8 * (octets + 1)});
	} while (*text == ',');
	if (strcmp(text, "}") != 0) return reason_set(why, "'%s' is not A.B.C.{D,E}", word);
	return 0;
}

static bool looks_like_name(const char *word) {
	return strspn(word, LETTERS "0123456789-_.") == strlen(word) && strpbrk(word, LETTERS) != NULL;
}

static void read_host(struct arena *arena, const char *word, const struct place *place, struct address_rule *rule) {
	struct endpoint *found;
	struct reason why = {.text = ""};
	int count = addr_resolve(arena, word, NULL, &found, &why);
	if (count < 0) log_warning_at(place, "%s; it matches nobody", why.text);
	for (int i = 0; i < count; i++) rule_add(arena, rule, (struct prefix){addr_source(&found[i], 0), 128});
}

/* Reads one word. A host name that does not resolve is warned about, and matches nobody. Returns 0, or -1 and why. */
int addr_read_rule(
    struct arena *arena, const char *word, const struct place *place, struct address_rule *rule, struct reason *why) {
	*rule = (struct address_rule){.word = mem_copy(arena, word)};
	int numeric = read_numeric(arena, word, rule, why);
	if (numeric != 0) return numeric < 0 ? -1 : 0;
	if (strchr(word, '{') != NULL) return read_factorised(arena, word, rule, why);
	if (!looks_like_name(word)) return reason_set(why, "'%s' is neither an address nor a name", word);
	if (word[0] == '.')
		return addr_numeric_only ? reason_set(why, "'%s' needs the DNS, which -n forbids", word) : 0;
	const struct netent *network = getnetbyname(word);
	if (network == NULL || network->n_addrtype != AF_INET) {
		read_host(arena, word, place, rule);
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

/* Prints what the rule was resolved to, each word after a blank; a .domain, or what did not resolve, as written. */
void addr_print_rule(const struct address_rule *rule, FILE *to) {
	if (rule->count == 0) fprintf(to, " %s", rule->word);
	for (size_t i = 0; i < rule->count; i++) print_prefix(&rule->prefixes[i], to);
}

/* Whether one of the list's addresses is the source's. What a .domain says is for who may ask the DNS. */
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
