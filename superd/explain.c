/* SPDX-License-Identifier: ISC */
/*
 * explain: which services would admit a client of an address now, and by which rule (-C). The rules are those of access.c, in
 * the same order.
 */
#include "superd.h"

/* What a rule of an address list comes to for a client. */
struct rule {
	const char *verdict, *name; /* name: the attribute, or NULL: there is no rule */
	size_t first, count;        /* which words of its value, from 0 */
};

static struct rule by_list(const char *verdict, const char *name, const struct address_rule *rule) {
	return (struct rule){verdict, name, rule->nth, 1};
}

/* Only the DNS knows who is in a .domain. */
static struct rule by_domain(const struct address_list *list) {
	const struct address_rule *rule = list->rules;
	while (rule->bits != MATCHES_NOTHING || rule->word[0] != '.') rule++;
	return by_list("asks", "only_from", rule);
}

static struct rule find_rule(const struct service *service, struct source client) {
	const struct address_rule *in = addr_list_find(&service->only_from, client);
	const struct address_rule *out = addr_list_find(&service->no_access, client);
	if (!access_is_open(&service->access_times))
		return (struct rule){"refused", "access_times", 0, service->access_times.count};
	if (out != NULL) return by_list("refused", "no_access", out);
	if (service->only_from.set && in == NULL && service->only_from.domains == NULL)
		return (struct rule){"refused", "only_from", 0, 0};
	if (service->flags & FLAG_SENSOR) return (struct rule){"refused", "flags", 0, 0};
	if (in != NULL) return by_list("allowed", "only_from", in);
	if (service->only_from.set) return by_domain(&service->only_from);
	return (struct rule){.verdict = "allowed"};
}

static void print_rule(const struct service *service, const struct rule *rule) {
	printf("%s %s", service->id, rule->verdict);
	if (rule->name != NULL) {
		struct location location = *attr_location(service, rule->name);
		printf(" %s", rule->name);
		for (size_t i = 0; i < rule->count; i++)
			printf(" %s", attr_find_word(service, rule->name, rule->first + i, &location));
		printf(location.line > 0 ? " %s:%d" : " %s", location.file, location.line);
	}
	putchar('\n');
}

/* Prints a line a service. Returns whether all services admit the client for certain. */
bool explain_services(const struct config *config, struct source client) {
	bool are_all = true;
	for (size_t i = 0; i < config->count; i++) {
		struct rule rule = find_rule(config->services[i], client);
		print_rule(config->services[i], &rule);
		are_all &= strcmp(rule.verdict, "allowed") == 0;
	}
	return are_all;
}
