#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

#define JOURNAL_LIMIT ((size_t)256 << 20)

void journal_init(struct journal *journal)
{
    *journal = (struct journal){0};
    memset(journal->head, '0', SHA256_HEX_SIZE - 1);
    for (int i = 0; i < JOURNAL_SINKS; i++) {
        journal->sinks[i].fd = -1;
    }
}

void journal_free(struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_doc_free(journal->records[i]);
    }
    free(journal->records);
    buffer_free(&journal->lines);
    for (int i = 0; i < JOURNAL_SINKS; i++) {
        file_drop(&journal->sinks[i].fd);
        free(journal->sinks[i].name);
    }
    journal_init(journal);
}

yyjson_val *journal_record(const struct journal *journal, size_t i)
{
    return yyjson_doc_get_root(journal->records[i]);
}

const char *journal_get(yyjson_val *record, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(record, key));
    return text == NULL ? "" : text;
}

int64_t journal_get_number(yyjson_val *record, const char *key)
{
    return yyjson_get_sint(yyjson_obj_get(record, key));
}

bool journal_is(yyjson_val *record, const char *kind)
{
    return strcmp(journal_get(record, "kind"), kind) == 0;
}

yyjson_val *journal_last(const struct journal *journal, const char *kind)
{
    for (size_t i = journal->count; i > 0; i--) {
        if (journal_is(journal_record(journal, i - 1), kind)) {
            return journal_record(journal, i - 1);
        }
    }
    return NULL;
}

/* A line that continues the chain; NULL if it does not. */
static yyjson_doc *chained(const struct journal *journal, const char *line, size_t size)
{
    yyjson_doc *document = yyjson_read(line, size, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (document != NULL && journal_get_number(root, "seq") == (int64_t)journal->count + 1 &&
        strcmp(journal_get(root, "prev"), journal->head) == 0) {
        return document;
    }
    yyjson_doc_free(document);
    return NULL;
}

/* Takes a chained line (without its newline) and its document over into memory. */
static int keep_line(struct journal *journal, const char *line, size_t size, yyjson_doc *document, struct error *error)
{
    if (journal->count == journal->allocated) {
        size_t wanted = journal->allocated == 0 ? 128 : journal->allocated * 2;
        yyjson_doc **grown = realloc(journal->records, wanted * sizeof *grown);
        if (grown == NULL) {
            yyjson_doc_free(document);
            return error_set(error, CSN_MEMORY, "no memory for the journal");
        }
        journal->records = grown;
        journal->allocated = wanted;
    }
    buffer_append(&journal->lines, line, size);
    buffer_append(&journal->lines, "\n", 1);
    if (buffer_check(&journal->lines, error) != 0) {
        yyjson_doc_free(document);
        return -1;
    }
    journal->records[journal->count++] = document;
    uint8_t digest[SHA256_SIZE];
    sha256_of(line, size, digest);
    hex_encode(digest, sizeof digest, journal->head);
    return 0;
}

/* True if a whole record of some journal follows: then what broke before it is not the torn end of a write. */
static bool record_follows(const char *text, size_t size)
{
    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        if (newline == NULL) {
            return false;
        }
        size_t length = (size_t)(newline - text);
        yyjson_doc *document = yyjson_read(text, length, 0);
        bool whole = yyjson_obj_get(yyjson_doc_get_root(document), "prev") != NULL;
        yyjson_doc_free(document);
        if (whole) {
            return true;
        }
        size -= length + 1;
        text = newline + 1;
    }
    return false;
}

int journal_read(struct journal *journal, int dir_fd, const char *file, struct error *error)
{
    struct buffer content = {0};
    int result = file_read(dir_fd, file, JOURNAL_LIMIT, &content, error);
    const char *text = buffer_text(&content);
    size_t left = content.size;
    while (result == 0 && left > 0) {
        const char *newline = memchr(text, '\n', left);
        if (newline == NULL) {
            break; /* torn */
        }
        size_t length = (size_t)(newline - text);
        yyjson_doc *document = chained(journal, text, length);
        if (document == NULL) {
            /* A power cut may leave the last line torn in its middle (sectors out of order): still only an end, if neither it
             * nor anything behind it is a whole record. */
            if (record_follows(text, left)) {
                result = error_set(error, CSN_JOURNAL_BROKEN, "%s: record %zu does not continue the one before", file,
                                   journal->count + 1);
            }
            break;
        }
        result = keep_line(journal, text, length, document, error);
        text = newline + 1;
        left -= length + 1;
    }
    buffer_free(&content);
    return result;
}

/* Adds the complete lines at text to the journal. */
static int take_lines(struct journal *journal, const char *text, size_t size, struct error *error)
{
    while (size > 0) {
        size_t length = (size_t)((const char *)memchr(text, '\n', size) - text);
        yyjson_doc *document = chained(journal, text, length);
        if (document == NULL) {
            return error_set(error, CSN_JOURNAL_FORK,
                             "record %zu of the longer journal does not continue the shorter one", journal->count + 1);
        }
        if (keep_line(journal, text, length, document, error) != 0) {
            return -1;
        }
        text += length + 1;
        size -= length + 1;
    }
    return 0;
}

static bool begins_with(const struct buffer *longer, const struct buffer *shorter)
{
    return shorter->size == 0 ||
           (longer->size >= shorter->size && memcmp(longer->data, shorter->data, shorter->size) == 0);
}

int journal_merge(struct journal *journal, const struct journal *other, struct error *error)
{
    if (begins_with(&journal->lines, &other->lines)) {
        return 0;
    }
    if (!begins_with(&other->lines, &journal->lines)) {
        return error_set(error, CSN_JOURNAL_FORK,
                         "two journals of one run differ before their ends (%zu and %zu records)", journal->count,
                         other->count);
    }
    return take_lines(journal, other->lines.data + journal->lines.size, other->lines.size - journal->lines.size, error);
}

/* The last line of the first *size bytes, with its newline, or NULL; *size becomes what is before it, *length its own. */
static const char *last_line(const char *text, size_t *size, size_t *length)
{
    const char *end = *size == 0 ? NULL : memrchr(text, '\n', *size);
    if (end == NULL) {
        return NULL;
    }
    const char *before = memrchr(text, '\n', (size_t)(end - text));
    const char *begin = before == NULL ? text : before + 1;
    *length = (size_t)(end + 1 - begin);
    *size = (size_t)(begin - text);
    return begin;
}

/* The last line there is known here; or it is the record that was being written when the power went, and the one before it is the
 * last here. */
static bool knows_end(const struct buffer *lines, const struct buffer *text)
{
    size_t size = text->size;
    size_t length = 0;
    const char *line = last_line(text->data, &size, &length);
    if (line == NULL || memmem(lines->data, lines->size, line, length) != NULL) {
        return line != NULL;
    }
    line = last_line(text->data, &size, &length);
    return line != NULL && length <= lines->size && memcmp(lines->data + lines->size - length, line, length) == 0;
}

/* What the damage hit may look whole, if it is only the next line that does not chain; but a line at the end that is known here names,
 * by its chain, all before it. */
bool journal_covers(const struct journal *journal, int dir_fd, const char *file)
{
    struct journal there;
    struct buffer text = {0};
    struct error error = {0};
    journal_init(&there);
    bool covers = journal_read(&there, dir_fd, file, &error) != 0 && error.code == CSN_JOURNAL_BROKEN &&
                  file_read(dir_fd, file, JOURNAL_LIMIT, &text, &error) == 0 && knows_end(&journal->lines, &text);
    buffer_free(&text);
    journal_free(&there);
    return covers;
}

/* A damaged copy is for the auditor. */
static int set_aside(int dir_fd, const char *file, struct error *error)
{
    for (int i = 1; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, i == 1 ? "%s.damaged" : "%s.damaged-%d", file, i);
        if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) { /* FAT knows no RENAME_NOREPLACE */
            return renameat(dir_fd, file, dir_fd, name) == 0
                       ? file_sync_parent(dir_fd, file, error)
                       : error_system(error, CSN_JOURNAL_WRITE, "setting the damaged %s aside", file);
        }
    }
    return error_set(error, CSN_JOURNAL_WRITE, "there are too many damaged copies of %s", file);
}

/* Writes what the sink lacks. If that fails the sink holds what it held before, and the next record takes the missing ones
 * along: a sink lags, but it never has a gap. */
static int write_missing(const struct journal *journal, struct journal_sink *sink, struct error *error)
{
    if (sink->fd < 0) {
        return error_set(error, CSN_JOURNAL_WRITE, "the journal on the %s was lost before", sink->name);
    }
    struct error why = {0};
    size_t size = journal->lines.size - sink->size_bytes;
    if (size == 0) {
        return 0;
    }
    if (file_write_fd(sink->fd, sink->name, journal->lines.data + sink->size_bytes, size, &why) != 0 ||
        (fdatasync(sink->fd) != 0 && error_system(&why, CSN_IO, "making %s durable", sink->name) != 0)) {
        if (ftruncate(sink->fd, (off_t)sink->size_bytes) != 0) {
            file_drop(&sink->fd); /* half a line may stand there: nothing more is written behind it */
        }
        return error_set(error, CSN_JOURNAL_WRITE, "the journal on the %s: %s", sink->name, why.message);
    }
    sink->size_bytes = journal->lines.size;
    return 0;
}

/* Cuts the file back to its good beginning and appends what it lacks. */
static int catch_up(struct journal *journal, struct journal_sink *sink, int dir_fd, const char *file,
                    struct error *error)
{
    struct journal there;
    journal_init(&there);
    int result = journal_read(&there, dir_fd, file, error);
    if (result == 0 && !begins_with(&journal->lines, &there.lines)) {
        result =
            error_set(error, CSN_JOURNAL_FORK, "the journal on the %s holds other records than this run's", sink->name);
    }
    if (result == 0 && (ftruncate(sink->fd, (off_t)there.lines.size) != 0 || lseek(sink->fd, 0, SEEK_END) < 0)) {
        result = error_system(error, CSN_JOURNAL_WRITE, "the journal on the %s", sink->name);
    }
    if (result == 0) {
        sink->size_bytes = there.lines.size;
        result = write_missing(journal, sink, error) == 0 || journal_may_lag(journal, sink->name) ? 0 : -1;
    }
    journal_free(&there);
    return result;
}

int journal_attach(struct journal *journal, int dir_fd, const char *file, const char *name, struct error *error)
{
    struct journal_sink *sink = NULL;
    if (journal_covers(journal, dir_fd, file) && set_aside(dir_fd, file, error) != 0) {
        return -1;
    }
    for (int i = 0; i < JOURNAL_SINKS && sink == NULL; i++) {
        sink = journal->sinks[i].name == NULL ? &journal->sinks[i] : NULL;
    }
    if (sink == NULL) {
        return error_set(error, CSN_INTERNAL, "the journal has no place for the sink \"%s\"", name);
    }
    *sink =
        (struct journal_sink){.fd = openat(dir_fd, file, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600)};
    sink->name = strdup(name);
    int result = 0;
    if (sink->fd < 0 || sink->name == NULL) {
        result = error_system(error, CSN_JOURNAL_WRITE, "the journal on the %s", name);
    } else if (catch_up(journal, sink, dir_fd, file, error) != 0 || file_sync_parent(dir_fd, file, error) != 0) {
        result = -1;
    }
    if (result != 0) {
        file_drop(&sink->fd);
        free(sink->name);
        sink->name = NULL;
    }
    return result;
}

int journal_detach(struct journal *journal, const char *name, struct error *error)
{
    for (int i = 0; i < JOURNAL_SINKS; i++) {
        struct journal_sink *sink = &journal->sinks[i];
        if (sink->name != NULL && strcmp(sink->name, name) == 0) {
            int result = sink->fd < 0 ? 0 : file_close(&sink->fd, name, error);
            free(sink->name);
            sink->name = NULL;
            return result;
        }
    }
    return 0;
}

void journal_need(struct journal *journal, const char *name)
{
    journal->needed = name;
}

bool journal_may_lag(const struct journal *journal, const char *name)
{
    return journal->needed != NULL && strcmp(journal->needed, name) != 0;
}

const char *journal_lagging(const struct journal *journal)
{
    for (int i = 0; i < JOURNAL_SINKS; i++) {
        const struct journal_sink *sink = &journal->sinks[i];
        if (sink->name != NULL && (sink->fd < 0 || sink->size_bytes < journal->lines.size)) {
            return sink->name;
        }
    }
    return NULL;
}

/* Every sink is tried, also after one that failed: the next boot goes on from the longest. */
static int write_everywhere(struct journal *journal, struct error *error)
{
    struct error first = {0};
    bool enough = true;
    int attached = 0;
    int written = 0;
    for (int i = 0; i < JOURNAL_SINKS; i++) {
        struct journal_sink *sink = &journal->sinks[i];
        struct error why = {0};
        if (sink->name == NULL) {
            continue;
        }
        attached++;
        if (write_missing(journal, sink, &why) == 0) {
            written++;
            continue;
        }
        first = first.code == CSN_NONE ? why : first;
        enough = enough && journal_may_lag(journal, sink->name);
    }
    if (enough && (written > 0 || attached == 0)) {
        return 0;
    }
    if (error != NULL) {
        *error = first;
    }
    return -1;
}

static int append_document(struct journal *journal, yyjson_mut_doc *document, struct error *error)
{
    struct buffer line = {0};
    if (json_mend(document, error) != 0 || json_append_line(&line, document, error) != 0) {
        buffer_free(&line);
        return -1;
    }
    yyjson_doc *parsed = chained(journal, line.data, line.size);
    int result = parsed == NULL
                     ? error_set(error, CSN_INTERNAL, "a journal record does not read back: %.200s", line.data)
                     : keep_line(journal, line.data, line.size, parsed, error);
    buffer_free(&line);
    if (parsed != NULL && write_everywhere(journal, result == 0 ? error : NULL) != 0) {
        result = -1;
    }
    if (result == 0 && journal->watch != NULL) {
        journal->watch(journal->watch_context, journal, journal_record(journal, journal->count - 1));
    }
    return result;
}

/* seq, time, prev, kind: in this order at the beginning of every record. */
static yyjson_mut_val *begin_record(const struct journal *journal, yyjson_mut_doc *document, const char *kind)
{
    char time[CLOCK_TEXT_SIZE];
    clock_text(time);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_uint(document, root, "seq", journal->count + 1);
    yyjson_mut_obj_add_strcpy(document, root, "time", time);
    yyjson_mut_obj_add_strcpy(document, root, "prev", journal->head);
    yyjson_mut_obj_add_strcpy(document, root, "kind", kind);
    return root;
}

int journal_append(struct journal *journal, const char *kind, yyjson_mut_val *fields, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    if (document == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a journal record");
    }
    yyjson_mut_val *root = begin_record(journal, document, kind);
    size_t i;
    size_t count;
    yyjson_mut_val *key;
    yyjson_mut_val *value;
    yyjson_mut_obj_foreach(fields, i, count, key, value)
    {
        yyjson_mut_obj_add(root, yyjson_mut_val_mut_copy(document, key), yyjson_mut_val_mut_copy(document, value));
    }
    int result = append_document(journal, document, error);
    yyjson_mut_doc_free(document);
    return result;
}

int journal_note(struct journal *journal, struct error *error, const char *kind, ...)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    if (document == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a journal record");
    }
    yyjson_mut_val *root = begin_record(journal, document, kind);
    va_list arguments;
    va_start(arguments, kind);
    for (const char *key = va_arg(arguments, const char *); key != NULL; key = va_arg(arguments, const char *)) {
        const char *value = va_arg(arguments, const char *);
        if (value != NULL) {
            json_add_bytes(document, root, key, value, strlen(value));
        }
    }
    va_end(arguments);
    int result = append_document(journal, document, error);
    yyjson_mut_doc_free(document);
    return result;
}
