/*
 * parse: configuration text to blocks of assignments, each with its file and line. It knows the syntax of xinetd.conf(5),
 * and no attribute. Every error is logged at once, with its location, and the rest is read all the same.
 */
#include "config.h"

#include <dirent.h>
#include <strings.h>
#include <sys/stat.h>

enum { FILE_MAX_SIZE = 16 * 1024 * 1024, FILES = 10000, ASSIGNMENTS = 1000, WORDS = 10000 };

struct reader {
	struct config *config;
	struct block *block;
	bool opened; /* the block's { has been read */
	struct location here;
	const struct reader *outer; /* of the file that includes this one */
	dev_t device;
	ino_t inode;
};

#define wrong(reader, ...) (log_error_at(&(reader)->here, __VA_ARGS__), count_error(reader))

static void count_error(const struct reader *reader) {
	reader->config->errors++;
	*(reader->block != NULL ? &reader->block->broken : &reader->config->broken) = true;
}

/* Cuts the first word off *text. At the end of the line the word is empty. */
static char *next_word(char **text) {
	char *word = *text + strspn(*text, " \t");
	size_t length = strcspn(word, " \t");
	*text = word + length;
	if (**text != '\0') *(*text)++ = '\0';
	return word;
}

static void begin_block(struct reader *reader, char *rest, bool is_defaults) {
	struct config *config = reader->config;
	const char *name = is_defaults ? "defaults" : next_word(&rest);
	struct block *block = mem_alloc(config->loading, sizeof *block);
	*block = (struct block){.name = name, .location = reader->here, .is_defaults = is_defaults};
	block->last = &block->assignments;
	*config->last = block;
	config->last = &block->next;
	reader->block = block;
	const char *brace = next_word(&rest);
	reader->opened = strcmp(brace, "{") == 0;
	if (*name == '\0' || strcmp(name, "{") == 0) {
		wrong(reader, "a service without a name");
		config->broken = true; /* it cannot be known which one */
	} else if (!reader->opened && *brace != '\0')
		wrong(reader, "expected '{' instead of '%.100s'", brace);
	else if (*next_word(&rest) != '\0')
		wrong(reader, "nothing may follow the '{'");
}

static void read_file(struct reader *reader, const char *path);
static void read_directory(struct reader *reader, const char *path);

/* A line outside all blocks. */
static void read_top(struct reader *reader, char *line) {
	char *rest = line, *word = next_word(&rest);
	if (strcasecmp(word, "service") == 0)
		begin_block(reader, rest, false);
	else if (strcasecmp(word, "defaults") == 0)
		begin_block(reader, rest, true);
	else if (strcasecmp(word, "include") == 0 || strcasecmp(word, "includedir") == 0) {
		const char *path = next_word(&rest);
		if (*path == '\0')
			wrong(reader, "a path is missing after '%.100s'", word);
		else if (*next_word(&rest) != '\0')
			wrong(reader, "too many paths after '%.100s'", word);
		else
			(strlen(word) == 7 ? read_file : read_directory)(reader, path);
	} else
		wrong(reader, "expected service, defaults, include or includedir instead of '%.100s'", word);
}

/* server_args and env may hold a # of their own; after any other value it begins a comment. */
static bool takes_comment(const char *name) {
	return strcasecmp(name, "server_args") != 0 && strcasecmp(name, "env") != 0;
}

/* A line inside a block: an assignment, or the end. */
static void read_assignment(struct reader *reader, char *line) {
	struct arena *arena = reader->config->loading;
	size_t length = strcspn(line, " \t=+-");
	char *sign = line + length + strspn(line + length, " \t"), *rest = sign + strcspn(sign, "=");
	if (length == 0 || *rest == '\0' || rest - sign > 1 || (rest > sign && *sign != '+' && *sign != '-')) {
		wrong(reader, "expected ATTRIBUTE = VALUE instead of '%.100s'", line);
		return;
	}
	struct assignment *assignment = mem_alloc(arena, sizeof *assignment);
	*assignment = (struct assignment){.name = line, .location = reader->here, .operation = OPERATION_SET};
	if (rest > sign) assignment->operation = *sign == '+' ? OPERATION_ADD : OPERATION_REMOVE;
	rest++;
	line[length] = '\0';
	for (char *word = next_word(&rest); *word != '\0'; word = next_word(&rest)) {
		if (*word == '#' && takes_comment(line)) break;
		if (assignment->words.count == WORDS) {
			wrong(reader, "too many values; use += for the rest, from '%.100s'", word);
			return;
		}
		words_add(arena, &assignment->words, word);
	}
	if (++reader->block->count > ASSIGNMENTS) {
		if (reader->block->count == ASSIGNMENTS + 1) wrong(reader, "too many assignments in one block");
		return;
	}
	*reader->block->last = assignment;
	reader->block->last = &assignment->next;
}

static bool begins_block(char *line) {
	size_t length = strcspn(line, " \t");
	const char *rest = line + length + strspn(line + length, " \t");
	return (strncasecmp(line, "service", 7) == 0 && length == 7 && strchr("=+-", *rest) == NULL) ||
	       (strncasecmp(line, "defaults", 8) == 0 && length == 8 && (*rest == '\0' || *rest == '{'));
}

static void read_line(struct reader *reader, char *line) {
	size_t length = strlen(line);
	while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL) line[--length] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#') return;
	if (reader->block != NULL && begins_block(line)) {
		wrong(reader, "'%c' is missing before '%.100s'", reader->opened ? '}' : '{', line);
		reader->block = NULL;
	}
	if (reader->block == NULL)
		read_top(reader, line);
	else if (!reader->opened) {
		if (strcmp(line, "{") != 0) wrong(reader, "expected '{' instead of '%.100s'", line);
		reader->opened = true;
	} else if (strcmp(line, "}") == 0)
		reader->block = NULL;
	else
		read_assignment(reader, line);
}

/* Reads the whole file into the arena. The last line may end without a newline. */
static void read_text(struct reader *reader, FILE *file) {
	static char text[FILE_MAX_SIZE + 1]; /* of which only as much is ever touched as the largest file has */
	size_t length = fread(text, 1, sizeof text, file);
	if (ferror(file) || length > FILE_MAX_SIZE) {
		wrong(reader->outer, "%s: '%.100s'", length > FILE_MAX_SIZE ? "larger than 16 MiB" : "cannot be read",
		    reader->here.file);
		return;
	}
	char *line = mem_alloc(reader->config->loading, length + 2), *end = line + length, *newline;
	memcpy(line, text, length);
	*end = '\n';
	for (; line <= end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line) + 1);
		*newline = '\0';
		reader->here.line++;
		if (strlen(line) < (size_t)(newline - line))
			wrong(reader, "a NUL byte");
		else
			read_line(reader, line);
	}
	if (reader->block != NULL) wrong(reader, "the file ends without '}'");
}

static bool is_being_read(const struct reader *reader, const struct stat *about) {
	for (; reader != NULL; reader = reader->outer)
		if (reader->inode == about->st_ino && reader->device == about->st_dev) return true;
	return false;
}

static void read_file(struct reader *reader, const char *path) {
	struct stat about;
	if (reader->config->files++ == FILES) wrong(reader, "more than %d files in one configuration", FILES);
	if (reader->config->files > FILES) return; /* includes that fan out could go on for ever */
	FILE *file = fopen(path, "r");
	if (file == NULL || fstat(fileno(file), &about) < 0 || S_ISDIR(about.st_mode)) {
		wrong(reader, "%.300s: %s", path, strerror(file == NULL ? errno : EISDIR));
	} else if (is_being_read(reader, &about)) {
		wrong(reader, "'%.100s' includes itself", path);
	} else {
		struct reader inner = {.config = reader->config,
		    .here = {mem_copy(reader->config->loading, path), 0},
		    .outer = reader,
		    .device = about.st_dev,
		    .inode = about.st_ino};
		read_text(&inner, file);
	}
	if (file != NULL) fclose(file);
}

static int is_read(const struct dirent *entry) {
	return strchr(entry->d_name, '.') == NULL && entry->d_name[strlen(entry->d_name) - 1] != '~';
}

/* The files of a directory in the order of their bytes; none with a dot in its name or a ~ at its end. */
static void read_directory(struct reader *reader, const char *path) {
	struct dirent **entries;
	struct stat about;
	int count = scandir(path, &entries, is_read, alphasort);
	if (count < 0) {
		wrong(reader, "%.300s: %s", path, strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		const char *file = mem_print(reader->config->loading, "%s/%s", path, entries[i]->d_name);
		if (stat(file, &about) == 0 && S_ISREG(about.st_mode)) read_file(reader, file);
		free(entries[i]);
	}
	free(entries);
}

/* Reads a file, or each file of a directory, as -c does, and adds its blocks to `config`. */
void parse_path(struct config *config, const char *path) {
	struct stat about;
	struct reader reader = {.config = config, .here = {"-c", 0}};
	bool is_directory = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
	(is_directory ? read_directory : read_file)(&reader, path);
}
