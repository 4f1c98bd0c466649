/* SPDX-License-Identifier: ISC */
/*
 * addr_rule: the words of only_from, no_access and proxy_from, and how a client matches them. Each word becomes prefixes of
 * 128 bits, IPv4 mapped into ::ffff:0:0/96, so that one comparison serves all. A word is, in this order: a numeric address,
 * a prefix, a factorised address, a .domain, a name in /etc/networks, a host name (xinetd.conf(5), only_from).
 */
#include "attr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { V4 = 96 }; /* where the bits of a mapped IPv4 address begin */

static struct source source_v4(uint32_t address) { return (struct source){0, UINT64_C(0xffff) << 32 | address}; }

static bool is_v4(struct source source) { return source.high == 0 && source.low >> 32 == 0xffff; }

/*
 * The bits of an IPv4 prefix. 0.0.0.0/0 is every IPv4 address in only_from, as under xinetd, which refuses IPv6 then, and
 * elsewhere every address at all, the stricter reading.
 */
static unsigned v4_bits(const struct reading *in, uint32_t address, unsigned bits) {
	bool is_all = bits == 0 && address == 0 && in->attr->field != offsetof(struct service, only_from);
	return is_all ? 0 : V4 + bits;
}

/* The same of an IPv4 address whose trailing zero octets are wildcards. */
static unsigned wildcard_bits(const struct reading *in, uint32_t address) {
	unsigned bits = 32;
	while (bits > 0 && (address >> (32 - bits) & 0xff) == 0) bits -= 8;
	return v4_bits(in, address, bits);
}

/* Adds a prefix of the word. */
static void add_rule(
    const struct reading *in, struct address_list *list, const char *word, struct source source, unsigned bits) {
	list->has_all_ipv4 |= bits == V4;
	list->has_ipv6 |= !is_v4(source);
	list->rules = mem_grow(in->config->loading, list->rules, list->count, sizeof *list->rules);
	list->rules[list->count++] =
	    (struct address_rule){word, addr_source_prefix(source, bits), bits, list->words - 1};
}

/* An address with or without /BITS. Returns 1 if the word is one, 0 if it is something else, or -1 and an error. */
static int read_numeric(const struct reading *in, struct address_list *list, const char *word) {
	char mapped[64], interface[IF_NAMESIZE] = "", first = word[strcspn(word, ".:/")];
	struct endpoint address = {.at.in6.sin6_family = AF_INET6};
	int length = (int)strcspn(word, "%/");
	bool is_dotted = first == '.';
	if (length >= INET6_ADDRSTRLEN || (!is_dotted && first != ':')) return 0;
	snprintf(mapped, sizeof mapped, "%s%.*s", is_dotted ? "::ffff:" : "", length, word);
	if (inet_pton(AF_INET6, mapped, &address.at.in6.sin6_addr) != 1) return 0;
	if (sscanf(word + length, "%%%15[^/]", interface) == 1) length += 1 + (int)strlen(interface);
	address.at.in6.sin6_scope_id = if_nametoindex(interface);
	struct source source = addr_source(&address, 0);
	bool has_scope = addr_is_link_local(source) && (uint32_t)source.high != 0;
	if ((*interface != '\0' && !has_scope) || (word[length] != '\0' && word[length] != '/'))
		return error_set(in->error, "'%s': no such interface, or not a link-local address", word);
	unsigned most = is_dotted ? 32 : 128, bits = is_dotted ? wildcard_bits(in, (uint32_t)source.low) : 128;
	if (word[length] != '\0') {
		const char *text = word + length + 1;
		int64_t number = text_read_number(&text, 3, most);
		if (number < (has_scope ? 64 : 0) || *text != '\0')
			return error_set(in->error, "'%s': the prefix length is a number up to %u", word, most);
		bits = is_dotted ? v4_bits(in, (uint32_t)source.low, (unsigned)number) : (unsigned)number;
	}
	add_rule(in, list, word, source, bits);
	return 1;
}

/* A.B.C.{D,E}, with one to three octets before the braces. Returns whether the word is that. */
static bool read_factorised(const struct reading *in, struct address_list *list, const char *word) {
	const char *text = word;
	uint32_t head = 0;
	unsigned bits = 0; /* of the octets before the braces */
	int64_t octet;
	for (; *text != '{'; bits += 8) {
		octet = text_read_number(&text, 3, 255);
		if (octet < 0 || bits == 24 || *text++ != '.') return false;
		head = head << 8 | (uint32_t)octet;
	}
	do {
		text++;
		octet = text_read_number(&text, 3, 255);
		if (octet < 0) return false;
		uint32_t address = (head << 8 | (uint32_t)octet) << (24 - bits);
		add_rule(in, list, word, source_v4(address), V4 + bits + 8);
	} while (*text == ',');
	return strcmp(text, "}") == 0;
}

/*
 * A name in /etc/networks, or of a host. One that does not resolve is warned about, and matches no address; but a proxy that is
 * not known as one would be taken for its clients. Returns 0, or -1 and an error.
 */
static int read_name(const struct reading *in, struct address_list *list, const char *word) {
	const struct netent *network = getnetbyname(word);
	struct endpoint *found;
	struct error error = {.text = ""};
	if (network != NULL && network->n_addrtype == AF_INET) {
		uint32_t address = network->n_net;
		while (address != 0 && (address & 0xff000000) == 0) address <<= 8;
		add_rule(in, list, word, source_v4(address), wildcard_bits(in, address));
		return 0;
	}
	int count = addr_resolve_meanwhile(in->arena, word, NULL, &found, &error, in->config->meanwhile);
	bool is_proxy = in->attr->field == offsetof(struct service, proxy_from);
	if (count < 0 && is_proxy) return error_set(in->error, "%s", error.text);
	if (count < 0) log_warning_at(in->location, "%s; it matches no address", error.text);
	for (int i = 0; i < count; i++) add_rule(in, list, word, addr_source(&found[i], 0), 128);
	return 0;
}

static int read_word(const struct reading *in, void *to, const char *word) {
	struct address_list *list = to;
	size_t before = list->count;
	list->words++;
	int numeric = read_numeric(in, list, word);
	if (numeric != 0) return numeric;
	if (strchr(word, '{') != NULL)
		return read_factorised(in, list, word) ? 0 : error_set(in->error, "'%s' is not A.B.C.{D,E}", word);
	if (strspn(word, LETTERS "0123456789-_.") != strlen(word) || strpbrk(word, LETTERS) == NULL)
		return error_set(in->error, "'%s' is neither an address nor a name", word);
	if (word[0] != '.' && read_name(in, list, word) < 0) return -1;
	if (word[0] == '.' && addr_numeric_only)
		return error_set(in->error, "'%s' needs the DNS, which -n forbids", word);
	if (word[0] == '.' && list->domains == NULL) list->domains = mem_alloc(in->arena, sizeof *list->domains);
	if (word[0] == '.') words_add(in->arena, list->domains, mem_copy(in->arena, word));
	if (list->count == before) add_rule(in, list, word, (struct source){0}, MATCHES_NOTHING);
	return 0;
}

/* The reader of an address list. Returns 0, or -1 and an error. */
int addr_read_list(void *field, const struct reading *in) {
	struct address_list list = in->first > 0 ? *(struct address_list *)field : (struct address_list){.set = true};
	if (attr_read_each(in, &list, read_word) < 0) return -1;
	*(struct address_list *)field = list;
	return 0;
}

/* Prints the prefixes of an address list, each after a blank; a word without one as it is written. */
void addr_print_list(const void *field, FILE *to) {
	const struct address_list *list = field;
	for (size_t i = 0; i < list->count; i++) {
		const struct address_rule *rule = &list->rules[i];
		unsigned char bytes[16];
		char text[INET6_ADDRSTRLEN];
		for (int j = 0; j < 8; j++) {
			bytes[j] = (unsigned char)(rule->source.high >> (56 - 8 * j));
			bytes[j + 8] = (unsigned char)(rule->source.low >> (56 - 8 * j));
		}
		bool is_mapped = rule->bits > V4 && is_v4(rule->source);
		inet_ntop(is_mapped ? AF_INET : AF_INET6, is_mapped ? bytes + 12 : bytes, text, sizeof text);
		bool has_scope = addr_is_link_local(rule->source) && (uint32_t)rule->source.high != 0;
		if (rule->bits == MATCHES_NOTHING || rule->bits == V4 || has_scope) fprintf(to, " %s", rule->word);
		else fprintf(to, " %s/%u", text, is_mapped ? rule->bits - V4 : rule->bits);
	}
}

static bool has_prefix(struct source source, struct source prefix, unsigned bits) {
	return bits != MATCHES_NOTHING && addr_source_equal(addr_source_prefix(source, bits), prefix);
}

/* A link-local address on every interface, as a rule without an interface has it. */
static struct source anywhere(struct source source) {
	if (addr_is_link_local(source)) source.high = source.high >> 32 << 32;
	return source;
}

/* The first rule that the source matches, or NULL, while the configuration is loaded. A .domain matches nothing here. */
const struct address_rule *addr_list_find(const struct address_list *list, struct source source) {
	for (const struct address_rule *rule = list->rules; rule < list->rules + list->count; rule++)
		if (has_prefix(source, rule->source, rule->bits) ||
		    has_prefix(anywhere(source), rule->source, rule->bits))
			return rule;
	return NULL;
}

static int compare(const void *left, const void *right) {
	const struct prefix *a = left, *b = right;
	if (a->source.high != b->source.high) return a->source.high < b->source.high ? -1 : 1;
	if (a->source.low != b->source.low) return a->source.low < b->source.low ? -1 : 1;
	return (int)a->bits - (int)b->bits;
}

/* Makes the prefixes of the rules, and their hash. One that is within another stands behind it in this order, and is left out. */
void addr_list_sort(struct arena *arena, struct address_list *list) {
	unsigned count = 0, kept = 0;
	struct prefix *prefixes = mem_alloc(arena, list->count * sizeof *prefixes);
	for (size_t i = 0; i < list->count; i++) {
		const struct address_rule *rule = &list->rules[i];
		const char *word = rule->bits == MATCHES_NOTHING ? rule->word : "";
		list->hash = hash_bytes(list->hash, &rule->source, sizeof rule->source);
		list->hash = hash_bytes(list->hash, &rule->bits, sizeof rule->bits);
		list->hash = hash_bytes(list->hash, word, strlen(word));
		if (*word == '\0') prefixes[count++] = (struct prefix){rule->source, rule->bits};
	}
	if (count > 0) qsort(prefixes, count, sizeof *prefixes, compare);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !has_prefix(prefixes[i].source, prefixes[kept - 1].source, prefixes[kept - 1].bits))
			prefixes[kept++] = prefixes[i];
	list->prefixes = prefixes;
	list->prefix_count = kept;
}

/* Whether the last prefix that does not stand behind the source is one of the source. */
static bool has_match(const struct address_list *list, struct source source) {
	size_t from = 0, to = list->prefix_count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct prefix *prefix = &list->prefixes[middle];
		if (compare(prefix, &(struct prefix){source, 128}) > 0) to = middle;
		else from = middle + 1;
	}
	return from > 0 && has_prefix(source, list->prefixes[from - 1].source, list->prefixes[from - 1].bits);
}

/* Whether the source matches the list. A .domain is looked up elsewhere (domain.c). */
bool addr_list_matches(const struct address_list *list, struct source source) {
	return has_match(list, source) || (addr_is_link_local(source) && has_match(list, anywhere(source)));
}

/*
 * Whether no_access and only_from admit the source. Where only_from has a .domain, only the DNS can tell (domain.c), and
 * this returns true.
 */
bool addr_lists_admit(const struct service *service, struct source source) {
	if (service->no_access.set && addr_list_matches(&service->no_access, source)) return false;
	return !service->only_from.set || (service->only_from.domains != NULL && !addr_is_uid(source)) ||
	       addr_list_matches(&service->only_from, source);
}
