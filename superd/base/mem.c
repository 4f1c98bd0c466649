/* SPDX-License-Identifier: ISC */
/*
 * mem: memory for what is loaded together and freed together. Each service has its own arena, so that a reload frees the
 * services that it replaces and nothing else. Also lists of words, and errors.
 */
#include "base.h"

#include <stdarg.h>
#include <strings.h>

/* Most services fit into the first block; the few words more that others have do not cost as much again. */
enum { FIRST_BLOCK = 2000, SECOND_BLOCK = 512, LARGEST_BLOCK = 256 * 1024 };

/* A block of memory. The first of an arena is the arena; the others follow it, the newest first. */
struct arena {
	struct arena *next;
	size_t used, size;
	max_align_t bytes[];
};

/* Called when there is no memory left for an arena. It must not return. */
void (*mem_exhausted)(void) = abort;

/* Zeroed memory, to be freed with free(3). */
void *mem_new(size_t size) {
	void *memory = calloc(1, size);
	if (memory != NULL) return memory;
	mem_exhausted();
	abort();
}

static struct arena *new_block(size_t size) {
	struct arena *block = mem_new(sizeof *block + size);
	block->size = size;
	return block;
}

/* A new, empty arena. */
struct arena *mem_arena_new(void) {
	return new_block(FIRST_BLOCK);
}

/* Frees the arena and all that was taken from it; NULL: nothing. */
void mem_arena_free(struct arena *arena) {
	for (struct arena *next; arena != NULL; arena = next) {
		next = arena->next;
		free(arena);
	}
}

/* `size` zeroed bytes that live as long as the arena. Never NULL. */
void *mem_alloc(struct arena *arena, size_t size) {
	const size_t unit = sizeof(max_align_t);
	size_t rounded = (size + unit - 1) / unit * unit;
	struct arena *block = arena->next != NULL ? arena->next : arena;
	if (block->size - block->used < rounded) {
		size_t room = 2 * block->size < LARGEST_BLOCK ? 2 * block->size : LARGEST_BLOCK;
		if (block == arena) room = SECOND_BLOCK;
		block = new_block(room > rounded ? room : rounded);
		block->next = arena->next;
		arena->next = block;
	}
	block->used += rounded;
	return (char *)block->bytes + block->used - rounded;
}

/* The array of `count` elements with room for one more and a NULL after it: as it is, or a copy twice as large. */
void *mem_grow(struct arena *arena, void *array, size_t count, size_t size) {
	bool is_full = (count & (count - 1)) == 0; /* 0, 1, 2, 4... */
	if (!is_full) return array;
	void *larger = mem_alloc(arena, (2 * count + 2) * size);
	return count == 0 ? larger : memcpy(larger, array, count * size);
}

char *mem_copy(struct arena *arena, const char *text) {
	size_t size = strlen(text) + 1;
	return memcpy(mem_alloc(arena, size), text, size);
}

/* The formatted text, in the arena. */
char *mem_print(struct arena *arena, const char *format, ...) {
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	size_t length = (size_t)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (length < sizeof text) return mem_copy(arena, text);
	char *longer = mem_alloc(arena, length + 1);
	va_start(arguments, format);
	vsnprintf(longer, length + 1, format, arguments);
	va_end(arguments);
	return longer;
}

/* Adds a word at the end; the list stays NULL-terminated, so that it can serve as argv. */
void words_add(struct arena *arena, struct words *words, const char *word) {
	words->word = mem_grow(arena, (void *)words->word, words->count, sizeof *words->word);
	words->word[words->count++] = word;
	words->word[words->count] = NULL;
	words->set = true;
}

/* Adds the blank-separated words of `text`. */
void words_split(struct arena *arena, struct words *words, const char *text) {
	char *rest, *copy = mem_copy(arena, text);
	for (char *word = strtok_r(copy, " \t\n", &rest); word != NULL; word = strtok_r(NULL, " \t\n", &rest))
		words_add(arena, words, word);
	words->set = true;
}

/* Prints at the end of `text`, which has room for `size` bytes. What does not fit is cut off. */
void text_add(char *text, size_t size, const char *format, ...) {
	size_t used = strlen(text);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text + used, size - used, format, arguments);
	va_end(arguments);
}

/* The decimal number at *text, of at most `digits` digits (18 or fewer) and up to `max`. Moves *text past it. Returns -1 if it is none. */
int64_t text_read_number(const char **text, size_t digits, int64_t max) {
	size_t length = strspn(*text, "0123456789");
	int64_t number = 0;
	if (length < 1 || length > digits) return -1;
	for (size_t i = 0; i < length; i++) number = number * 10 + *(*text)++ - '0';
	return number <= max ? number : -1;
}

/* Sets the error's text. Returns -1, so that a function can end with it. */
int error_set(struct error *error, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return -1;
}

/* The value with that name, in any case, or NULL. */
const struct named_value *named_value_find(const struct named_value *values, const char *name) {
	while (values->name != NULL && strcasecmp(values->name, name) != 0) values++;
	return values->name != NULL ? values : NULL;
}
