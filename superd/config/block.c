/* SPDX-License-Identifier: ISC */
/*
 * block: the blocks of a configuration, as they were written: in a file, in a line of inetd.conf, on the command line.
 */
#include "config.h"

enum { STEPS_AT_ONCE = 64 };

/* A block, or a service of one, is going to be read. Now and then, what runs meanwhile gets its turn. */
void block_step(struct config *config) {
	if (config->meanwhile != NULL && ++config->steps % STEPS_AT_ONCE == 0) config->meanwhile();
}

/* Adds an empty block to the end of the configuration. The name must stay in memory. */
struct block *block_add(struct config *config, const char *name, const struct location *location) {
	block_step(config);
	struct block *block = mem_alloc(config->loading, sizeof *block);
	*block = (struct block){.name = name, .location = *location, .last = &block->assignments};
	*config->last = block;
	config->last = &block->next;
	return block;
}

/* A name for a service of that path: its last part, in which what could not stand in a file is _. */
char *block_name(struct config *config, const char *path) {
	const char *slash = strrchr(path, '/');
	char *name = mem_copy(config->loading, slash != NULL ? slash + 1 : path);
	if (*name == '#' || *name == '{') *name = '_';
	for (char *at = name; (at = strpbrk(at, " \t\r\n")) != NULL;) *at = '_';
	return name;
}

/* Adds an assignment without a value, with the operation =, to the end of a block. The name must stay in memory. */
struct assignment *block_assign(
    struct config *config, struct block *block, const char *name, const struct location *location) {
	struct assignment *assignment = mem_alloc(config->loading, sizeof *assignment);
	*assignment = (struct assignment){.name = name, .attr = attr_find(name), .location = *location};
	*block->last = assignment;
	block->last = &assignment->next;
	return assignment;
}
