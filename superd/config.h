/* config: what lex.c leaves and config.c reads. */
#ifndef CONFIG_H
#define CONFIG_H

#include "superd.h"

/* `service NAME { ... }`, or `defaults { ... }`, as it was written. */
struct block {
	struct block *next;
	const char *name;
	struct place place;
	bool is_defaults, broken;
	int count;
	struct entry *entries, **last;
};

void lex_read_path(struct config *config, const char *path);

#endif
