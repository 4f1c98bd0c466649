/* SPDX-License-Identifier: ISC */
/*
 * parse: configuration text to blocks of assignments, each with its file and line. It knows the syntax of xinetd.conf(5),
 * and of attributes only the names. Every error is logged at once, with its location, and the rest is read all the same.
 */
#include "attr.h"

#include <dirent.h>
#include <strings.h>
#include <sys/stat.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

enum { FILE_MAX_SIZE = 16 * 1024 * 1024, FILES = 20000 };

struct reader {
	struct config *config;
	struct block *block;  /* NULL: outside all blocks */
	struct block *before; /* the last one that was ended, or NULL after a line that is of none */
	bool is_open;         /* the block's { has been read */
	struct location here;
	const char *address; /* where the lines of inetd.conf(5) listen that name none; NULL: at every interface */
	const struct reader *outer; /* of the file that includes this one */
	struct stat about;
};

#define wrong(reader, ...) (log_error_at(&(reader)->here, __VA_ARGS__), count_error(reader))

static void count_error(const struct reader *reader) {
	reader->config->errors++;
	*(reader->block != NULL ? &reader->block->is_broken : &reader->config->broken) = true;
}

/* Cuts the first word off *text. At the end of the line the word is empty. */
static char *next_word(char **text) {
	char *word = *text + strspn(*text, " \t\n");
	size_t length = strcspn(word, " \t\n");
	*text = word + length;
	if (**text != '\0') *(*text)++ = '\0';
	return word;
}

/* Whether a line's words end here, with the line or a comment. */
static bool is_end(const char *word) { return *word == '\0' || *word == '#'; }

/* Begins a block, whose first line goes on at `rest`. */
static void begin_block(struct reader *reader, struct block *block, char *rest) {
	const char *brace = next_word(&rest);
	reader->block = block;
	reader->is_open = strcmp(brace, "{") == 0;
	if (is_end(block->name) || strcmp(block->name, "{") == 0) {
		wrong(reader, "a service without a name");
		reader->config->broken = true; /* it cannot be known which one */
	} else if (!reader->is_open && !is_end(brace)) wrong(reader, "expected '{' instead of '%.100s'", brace);
	else if (reader->is_open && !is_end(next_word(&rest))) wrong(reader, "nothing may follow the '{'");
}

/* Begins `defaults`. Where they stand already, what follows is read, but not used. */
static void begin_defaults(struct reader *reader, char *rest) {
	static struct block second;
	struct block *defaults = reader->config->defaults, *block = defaults;
	if (defaults->location.file != NULL) {
		wrong(reader, "defaults stand already at %s:%d", defaults->location.file, defaults->location.line);
		defaults->is_broken = true;
		second = (struct block){.name = defaults->name, .last = &second.assignments};
		block = &second;
	} else defaults->location = reader->here;
	begin_block(reader, block, rest);
}

/* A word like `defaults` begins them in error: without them, services could admit clients that are meant to be refused. */
static void begin_meant_defaults(struct reader *reader, const char *word, char *rest) {
	wrong(reader, "unknown word '%.100s'; is defaults meant?", word);
	begin_defaults(reader, rest);
	reader->config->defaults->is_broken = true;
}

static void read_file(const struct reader *outer, const char *path);
static void read_directory(const struct reader *reader, const char *path);

/* The = of NAME = VALUE, NAME += VALUE or NAME -= VALUE, and the name's length. NULL if the line is none of these. */
static char *find_equals(char *line, size_t *length) {
	*length = strcspn(line, " \t=+-");
	char *sign = line + *length + strspn(line + *length, " \t"), *equals = sign;
	if (*equals == '+' || *equals == '-') equals++;
	return *length > 0 && *equals == '=' ? equals : NULL;
}

/* A line outside all blocks. */
static void read_top(struct reader *reader, char *line) {
	char attr_name[32];
	size_t length;
	bool has_equals = find_equals(line, &length) != NULL;
	snprintf(attr_name, sizeof attr_name, "%.*s", (int)length, line);
	bool is_attr = attr_find(attr_name) != NULL;
	char *rest = line, *word = next_word(&rest);
	if (strcasecmp(word, "service") == 0) {
		const char *name = next_word(&rest);
		if (attr_is_near(name, "defaults")) {
			begin_meant_defaults(reader, name, rest);
			return;
		}
		begin_block(reader, block_add(reader->config, name, &reader->here), rest);
	} else if (attr_is_near(word, "service")) {
		begin_block(reader, block_add(reader->config, next_word(&rest), &reader->here), rest);
		wrong(reader, "unknown word '%.100s'; is service meant?", word);
	} else if (strcasecmp(word, "defaults") == 0) begin_defaults(reader, rest);
	else if (attr_is_near(word, "defaults")) begin_meant_defaults(reader, word, rest);
	else if (strcasecmp(word, "include") == 0 || strcasecmp(word, "includedir") == 0) {
		const char *path = next_word(&rest);
		bool is_missing = is_end(path), is_wrong = is_missing || !is_end(next_word(&rest));
		reader->config->has_unread |= is_wrong;
		if (is_missing) wrong(reader, "a path is missing after '%.100s'", word);
		else if (is_wrong) wrong(reader, "too many paths after '%.100s'", word);
		else (strlen(word) == 7 ? read_file : read_directory)(reader, path);
	} else if (has_equals && is_attr) {
		wrong(reader, "'%.100s' is outside all blocks; is a '}' too early?", word);
		*(reader->before != NULL ? &reader->before->is_broken : &reader->config->has_unread) = true;
	} else if (inetd_read_line(reader->config, &reader->here, word, rest, &reader->address)) {
		reader->before = NULL;
	} else {
		bool is_meant = has_equals || is_attr; /* as an attribute, of the block before */
		if (is_meant && reader->before != NULL) reader->before->is_broken = true;
		else if (*word != '}') reader->before = NULL;
		bool is_address = strpbrk(word, ".:") != NULL || strcasecmp(word, "localhost") == 0;
		if (is_address && is_end(rest)) reader->address = word; /* without the ':' */
		reader->config->has_unread |= attr_is_near(word, "include") || attr_is_near(word, "includedir");
		wrong(reader,
		    "expected service, defaults, include, includedir or a line of inetd.conf instead of '%.100s'",
		    word);
	}
}

/*
 * Adds a line's assignment to the block. server_args, env and command may hold a # of their own; after any other value it
 * begins a comment. Returns NULL if the line is no assignment.
 */
static struct assignment *read_assignment(struct reader *reader, char *line) {
	size_t length;
	char *equals = find_equals(line, &length);
	if (equals == NULL) return NULL;
	char *rest = equals + 1;
	enum operation operation = equals[-1] == '+'   ? OPERATION_ADD
				   : equals[-1] == '-' ? OPERATION_REMOVE
						       : OPERATION_SET;
	line[length] = '\0';
	struct assignment *assignment = block_assign(reader->config, reader->block, line, &reader->here);
	struct words *words = &assignment->words;
	bool takes_comment =
	    strcasecmp(line, "server_args") != 0 && strcasecmp(line, "env") != 0 && strcasecmp(line, "command") != 0;
	struct error error = {.text = ""};
	assignment->operation = operation;
	if (assignment->attr != NULL && assignment->attr->type->is_quoted) {
		if (shell_split(reader->config->loading, words, rest, takes_comment, &error) < 0)
			wrong(reader, "%s: %s", line, error.text);
		return assignment;
	}
	for (char *word = next_word(&rest); *word != '\0' && !(takes_comment && *word == '#'); word = next_word(&rest))
		words_add(reader->config->loading, words, word);
	return assignment;
}

/* Adds an -o option's NAME=VALUE, NAME+=VALUE or NAME-=VALUE to a block. Returns NULL if it is none; the error is logged. */
struct assignment *parse_option(struct config *config, struct block *block, const char *text) {
	struct reader reader = {.config = config, .block = block, .here = {"the command line", 0}};
	struct assignment *assignment = read_assignment(&reader, mem_copy(config->loading, text));
	if (assignment == NULL) wrong(&reader, "-o %s: not ATTRIBUTE=VALUE", text);
	return assignment;
}

static bool begins_block(const char *line) {
	size_t length = strcspn(line, " \t");
	const char *rest = line + length + strspn(line + length, " \t");
	return (strncasecmp(line, "service", 7) == 0 && length == 7 && strchr("=+-", *rest) == NULL) ||
	       (strncasecmp(line, "defaults", 8) == 0 && length == 8 && strchr("{#", *rest) != NULL);
}

/* Whether nothing but the brace is in the line, and maybe a comment. */
static bool is_brace(const char *line, char brace) {
	return *line == brace && is_end(line + 1 + strspn(line + 1, " \t"));
}

static void read_line(struct reader *reader, char *line) {
	size_t length = strlen(line);
	while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL) line[--length] = '\0';
	if (strncmp(line, BYTE_ORDER_MARK, 3) == 0) {
		wrong(reader, "a byte order mark, which is skipped only where a file begins");
		line += 3;
	}
	line += strspn(line, " \t");
	if (is_end(line)) return;
	if (reader->block != NULL && begins_block(line)) {
		wrong(reader, "'%c' is missing before '%.100s'", reader->is_open ? '}' : '{', line);
		reader->block = NULL;
	}
	if (reader->block == NULL) read_top(reader, line);
	else if (!reader->is_open) {
		if (!is_brace(line, '{')) wrong(reader, "expected '{' instead of '%.100s'", line);
		reader->is_open = true;
	} else if (is_brace(line, '}')) {
		reader->before = reader->block;
		reader->block = NULL;
	} else if (read_assignment(reader, line) == NULL)
		wrong(reader, "expected ATTRIBUTE = VALUE instead of '%.100s'", line);
}

/* What cannot be read may hold `defaults`. */
static void fail_to_read(const struct reader *reader, const char *path, const char *reason) {
	wrong(reader, "%.300s: %s", path, reason);
	reader->config->has_unread = true;
}

/* The text of the whole file, which has room for a byte more. Returns NULL if it cannot be read, which is logged. */
static char *read_whole(const struct reader *reader, FILE *file, size_t *length) {
	struct arena *loading = reader->config->loading;
	size_t size = reader->about.st_size < FILE_MAX_SIZE ? (size_t)reader->about.st_size : 0, room = size + 1;
	char *text = mem_alloc(loading, room);
	while ((size = fread(text + *length, 1, room - *length, file)) > 0 && (*length += size) == room) {
		if (room > FILE_MAX_SIZE) break;
		room *= 2;
		text = memcpy(mem_alloc(loading, room), text, *length);
	}
	if (*length < room && !ferror(file)) return text;
	fail_to_read(reader->outer, reader->here.file, ferror(file) ? strerror(errno) : "larger than 16 MiB");
	return NULL;
}

/* Reads the lines of a file, the last of which may end without a newline; at `end` there is room for one. */
static void read_lines(struct reader *reader, char *line, char *end) {
	char *newline;
	*end = '\n';
	if (strncmp(line, BYTE_ORDER_MARK, 3) == 0) line += 3;
	for (; line <= end; line = newline + 1) {
		newline = shell_find_line_end(line, end);
		int more = 0;
		for (const char *at = line; at < newline; at++) more += *at == '\n';
		reader->here.line++;
		*newline = '\0';
		if (more > 0)
			log_warning_at(&reader->here, "command: its quotes go on to line %d", reader->here.line + more);
		if (strlen(line) < (size_t)(newline - line)) wrong(reader, "a NUL byte");
		else read_line(reader, line);
		reader->here.line += more;
	}
	if (reader->block != NULL) wrong(reader, "the file ends without '}'");
}

static bool is_being_read(const struct reader *reader, const struct stat *about) {
	for (; reader != NULL; reader = reader->outer)
		if (reader->about.st_ino == about->st_ino && reader->about.st_dev == about->st_dev) return true;
	return false;
}

static void read_file(const struct reader *outer, const char *path) {
	struct config *config = outer->config;
	struct reader reader = {.config = config, .here = {mem_copy(config->common->arena, path), 0}, .outer = outer};
	if (config->files++ == FILES) wrong(outer, "more than %d files in one configuration", FILES);
	if (config->files > FILES) return; /* includes that fan out could go on for ever */
	size_t length = 0;
	char *text = NULL;
	FILE *file = config->file = fopen(path, "r");
	if (file == NULL || fstat(fileno(file), &reader.about) < 0 || S_ISDIR(reader.about.st_mode))
		fail_to_read(outer, path, strerror(file == NULL ? errno : EISDIR));
	else if (is_being_read(outer, &reader.about)) wrong(outer, "'%.100s' includes itself", path);
	else text = read_whole(&reader, file, &length);
	if (file != NULL) fclose(file);
	config->file = NULL;
	if (text == NULL) return;
	trust_check(config, path, 0, &outer->here);
	read_lines(&reader, text, text + length);
}

/* The files of a directory in the order of their bytes; none with a dot in its name or a ~ at its end. */
static void read_directory(const struct reader *reader, const char *path) {
	struct dirent **entries;
	struct stat about;
	int count = scandir(path, &entries, NULL, alphasort);
	trust_check_folder(reader->config, path, &reader->here);
	if (count < 0) fail_to_read(reader, path, strerror(errno));
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name, *file = mem_print(reader->config->loading, "%s/%s", path, name);
		bool is_wanted = strchr(name, '.') == NULL && name[strlen(name) - 1] != '~';
		if (is_wanted && stat(file, &about) < 0) fail_to_read(reader, file, strerror(errno));
		else if (is_wanted && S_ISREG(about.st_mode)) read_file(reader, file);
		free(entries[i]);
	}
	if (count >= 0) free(entries);
}

/* Reads a file, or each file of a directory, as -c does, and adds its blocks to `config`. */
void parse_path(struct config *config, const char *path) {
	struct stat about;
	struct reader reader = {.config = config, .here = {"-c", 0}};
	bool is_directory = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
	(is_directory ? read_directory : read_file)(&reader, path);
}
