/*
 * mem: memory for what is loaded together and thrown away together. Each service has an arena of its own,
 * so that a reload frees the services it replaces and nothing else. Also word lists, and reasons.
 */
#include "superd.h"

#include <stdarg.h>

/* One block of a list of them; the first has no bytes of its own, and is the arena. */
struct arena {
	struct arena *next;
	max_align_t bytes[];
};

static struct arena *new_block(size_t size) {
	struct arena *block = calloc(1, sizeof *block + size);
	if (block != NULL) return block;
	log_error("out of memory while the configuration is read");
	exit(1);
}

/* A new, empty arena. A configuration that does not fit into memory ends the program. */
struct arena *mem_arena_new(void) {
	return new_block(0);
}

/* Frees the arena and all that was taken from it; NULL: nothing. */
void mem_arena_free(struct arena *arena) {
	struct arena *next;
	for (; arena != NULL; arena = next) {
		next = arena->next;
		free(arena);
	}
}

/* `size` zeroed bytes that live as long as the arena. Never NULL. */
void *mem_alloc(struct arena *arena, size_t size) {
	struct arena *block = new_block(size);
	block->next = arena->next;
	arena->next = block;
	return block->bytes;
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
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	char *text = mem_alloc(arena, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	return text;
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

void words_remove(struct words *words, const char *word) {
	size_t kept = 0;
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->word[i], word) != 0) words->word[kept++] = words->word[i];
	words->count = kept;
	if (words->word != NULL) words->word[kept] = NULL;
}

bool words_contain(const struct words *words, const char *word) {
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->word[i], word) == 0) return true;
	return false;
}

/* Prints at the end of `text`, which has room for `size` bytes. What does not fit is cut off. */
void text_add(char *text, size_t size, const char *format, ...) {
	size_t used = strlen(text);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text + used, size - used, format, arguments);
	va_end(arguments);
}

/* Notes why something cannot be. Returns -1, so that a function can end with it. */
int reason_set(struct reason *why, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why->text, sizeof why->text, format, arguments);
	va_end(arguments);
	return -1;
}
