/* SPDX-License-Identifier: ISC */
/*
 * hash: a table of things that are found by a number of 64 bits. It doubles as it fills, and never fails: without memory
 * for a larger table its chains only grow longer.
 */
#include "base.h"

static struct hash_link **bucket_of(const struct hash *hash, uint64_t key) {
	return &hash->buckets[(size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (hash->size - 1)];
}

static void grow(struct hash *hash) {
	struct hash larger = {.size = 2 * hash->size, .count = hash->count};
	larger.buckets = calloc(larger.size, sizeof(struct hash_link *));
	if (larger.buckets == NULL) return;
	for (size_t i = 0; i < hash->size; i++)
		for (struct hash_link *link = hash->buckets[i], *next; link != NULL; link = next) {
			struct hash_link **bucket = bucket_of(&larger, link->key);
			next = link->next;
			link->next = *bucket;
			*bucket = link;
		}
	if (hash->buckets != &hash->only) free(hash->buckets);
	*hash = larger;
}

/* Adds a link under a key, which others may have, too. */
void hash_add(struct hash *hash, struct hash_link *link, uint64_t key) {
	if (hash->size == 0) {
		hash->buckets = &hash->only;
		hash->size = 1;
	}
	if (hash->count >= hash->size) grow(hash);
	struct hash_link **bucket = bucket_of(hash, key);
	*link = (struct hash_link){.next = *bucket, .key = key};
	*bucket = link;
	hash->count++;
}

/* Removes a link that is in the table. */
void hash_remove(struct hash *hash, struct hash_link *link) {
	struct hash_link **at = bucket_of(hash, link->key);
	while (*at != link) at = &(*at)->next;
	*at = link->next;
	hash->count--;
}

static struct hash_link *with_key(struct hash_link *link, uint64_t key) {
	while (link != NULL && link->key != key) link = link->next;
	return link;
}

/* The link that was added last under the key, or NULL. */
struct hash_link *hash_find(const struct hash *hash, uint64_t key) {
	return hash->size == 0 ? NULL : with_key(*bucket_of(hash, key), key);
}

/* The next one with the same key, or NULL. */
struct hash_link *hash_find_next(const struct hash_link *link) {
	return with_key(link->next, link->key);
}

/* The link after `last` (NULL: the first) in no order, or NULL. `last` must still be in the table. */
struct hash_link *hash_each(const struct hash *hash, const struct hash_link *last) {
	if (last != NULL && last->next != NULL) return last->next;
	size_t i = last == NULL ? 0 : (size_t)(bucket_of(hash, last->key) - hash->buckets) + 1;
	while (i < hash->size && hash->buckets[i] == NULL) i++;
	return i < hash->size ? hash->buckets[i] : NULL;
}

/* Frees the table, but not what is in it. */
void hash_free(struct hash *hash) {
	if (hash->buckets != &hash->only) free(hash->buckets);
	*hash = (struct hash){0};
}

/* FNV-1a of the bytes, going on from `seed`, 0 at first. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t length) {
	uint64_t value = seed ^ UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < length; i++)
		value = (value ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return value;
}
