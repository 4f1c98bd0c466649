/* config: what lex.c leaves and config.c reads. */
#ifndef CONFIG_H
#define CONFIG_H

#include "superd.h"

struct assignment {
	struct assignment *next;
	struct entry entry;
};

/* `service NAME { ... }`, or `defaults { ... }`, as it was written. */
struct block {
	struct block *next;
	const char *name;
	struct place place;
	bool is_defaults, broken;
	int count;
	struct assignment *assignments, **last;
};

struct lexed {
	struct arena *arena;
	struct block *blocks, **last;
	int errors, files;
	bool broken; /* outside the blocks */
};

void lex_read_path(struct lexed *lexed, const char *path);

#endif
