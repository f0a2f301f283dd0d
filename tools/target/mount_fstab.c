#include "target/mount_fstab.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/root.h"

#define FSTAB_LIMIT_BYTES ((size_t)1024 * 1024)

/* Blanks in names are written in octal: \040. Decodes in place. */
static void decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
                     from[3] >= '0' && from[3] <= '7';
        if (octal) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* UUID="..." may be quoted. */
static void unquote(char *field)
{
    char *quote = strchr(field, '"');
    size_t length = strlen(field);
    if (quote != NULL && quote > field && quote[-1] == '=' && field[length - 1] == '"' && quote != field + length - 1) {
        field[length - 1] = '\0';
        memmove(quote, quote + 1, strlen(quote + 1) + 1);
    }
}

static int add_line(struct fstab *fstab, char *const words[4], struct error *error)
{
    struct fstab_line *grown = reallocarray(fstab->items, fstab->count + 1, sizeof *grown);
    if (grown == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read /etc/fstab");
    }
    fstab->items = grown;
    struct fstab_line *line = &grown[fstab->count++];
    *line = (struct fstab_line){strdup(words[0]), strdup(words[1]), strdup(words[2]), strdup(words[3])};
    if (line->field == NULL || line->place == NULL || line->type == NULL || line->options == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read /etc/fstab");
    }
    decode(line->field);
    unquote(line->field);
    decode(line->place);
    size_t length = strlen(line->place);
    while (length > 1 && line->place[length - 1] == '/') {
        line->place[--length] = '\0';
    }
    return 0;
}

static int by_place(const void *left, const void *right)
{
    return strcmp(((const struct fstab_line *)left)->place, ((const struct fstab_line *)right)->place);
}

int fstab_read(struct fstab *fstab, int root_fd, struct error *error)
{
    *fstab = (struct fstab){0};
    struct buffer text = {0};
    struct error reading;
    int result = 0;
    if (root_read(root_fd, "/etc/fstab", FSTAB_LIMIT_BYTES, &text, &reading) != 0) {
        if (reading.code != CSN_NOT_FOUND) {
            result = error_set(error, reading.code, "%s", reading.message);
        }
        goto out;
    }
    char *rest = text.data;
    for (char *line; result == 0 && (line = strsep(&rest, "\n")) != NULL;) {
        char *words[4] = {NULL, NULL, "auto", "defaults"};
        char *place = NULL;
        size_t count = 0;
        for (char *word = strtok_r(line, " \t\r", &place); word != NULL && count < 4;
             word = strtok_r(NULL, " \t\r", &place)) {
            words[count++] = word;
        }
        if (count >= 2 && words[0][0] != '#') {
            result = add_line(fstab, words, error);
        }
    }
    if (fstab->count > 1) {
        qsort(fstab->items, fstab->count, sizeof fstab->items[0], by_place);
    }
out:
    buffer_free(&text);
    if (result != 0) {
        fstab_free(fstab);
    }
    return result;
}

void fstab_free(struct fstab *fstab)
{
    for (size_t i = 0; i < fstab->count; i++) {
        free(fstab->items[i].field);
        free(fstab->items[i].place);
        free(fstab->items[i].type);
        free(fstab->items[i].options);
    }
    free(fstab->items);
    *fstab = (struct fstab){0};
}

/* Where word begins in the options as a whole option (or, ending in '=', as the begin of one); NULL: not there. */
static const char *find_option(const struct fstab_line *line, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = line->options; at != NULL && *at != '\0';) {
        size_t option = strcspn(at, ",");
        if (strncmp(at, word, length) == 0 && (word[length - 1] == '=' || option == length)) {
            return at;
        }
        at += option;
        at += *at == ',' ? 1 : 0;
    }
    return NULL;
}

bool fstab_has_option(const struct fstab_line *line, const char *word)
{
    return find_option(line, word) != NULL;
}

char *fstab_option_value(const struct fstab_line *line, const char *word)
{
    const char *at = find_option(line, word);
    if (at == NULL) {
        return NULL;
    }
    at += strlen(word);
    return strndup(at, strcspn(at, ","));
}

bool fstab_is_real(const struct fstab_line *line)
{
    static const char *const skipped_options[] = {"noauto", "bind", "rbind", "_netdev", "loop", "loop="};
    for (size_t i = 0; i < sizeof skipped_options / sizeof skipped_options[0]; i++) {
        if (fstab_has_option(line, skipped_options[i])) {
            return false;
        }
    }
    if (line->place[0] != '/' || strcmp(line->type, "swap") == 0) {
        return false;
    }
    /* A real one is named by a tag or a device; "tmpfs", "server:/export" and "//server/share" are neither. */
    bool tag = strchr(line->field, '=') != NULL && line->field[0] >= 'A' && line->field[0] <= 'Z';
    return tag || strncmp(line->field, "/dev/", 5) == 0;
}
