#include "report/collect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

static void note(struct collect *collect, bool good)
{
    collect->failed = collect->failed || !good;
}

static yyjson_mut_val *name(struct collect *collect, const char *key)
{
    return yyjson_mut_strcpy(collect->document, key);
}

static yyjson_mut_val *add(struct collect *collect, yyjson_mut_val *to, const char *key, yyjson_mut_val *value)
{
    bool good = yyjson_mut_obj_add(to, name(collect, key), value);
    note(collect, good);
    return good ? value : NULL;
}

yyjson_mut_val *collect_object(struct collect *collect, yyjson_mut_val *to, const char *key)
{
    return add(collect, to, key, yyjson_mut_obj(collect->document));
}

yyjson_mut_val *collect_list(struct collect *collect, yyjson_mut_val *to, const char *key)
{
    return add(collect, to, key, yyjson_mut_arr(collect->document));
}

yyjson_mut_val *collect_item(struct collect *collect, yyjson_mut_val *list)
{
    yyjson_mut_val *item = yyjson_mut_arr_add_obj(collect->document, list);
    note(collect, item != NULL);
    return item;
}

void collect_text(struct collect *collect, yyjson_mut_val *to, const char *key, const char *text)
{
    if (text[0] != '\0') {
        add(collect, to, key, yyjson_mut_strcpy(collect->document, text));
    }
}

void collect_number(struct collect *collect, yyjson_mut_val *to, const char *key, int64_t number)
{
    add(collect, to, key, yyjson_mut_sint(collect->document, number));
}

void collect_bool(struct collect *collect, yyjson_mut_val *to, const char *key, bool value)
{
    add(collect, to, key, yyjson_mut_bool(collect->document, value));
}

void collect_seq(struct collect *collect, yyjson_mut_val *to, const char *key, yyjson_val *record)
{
    if (record != NULL) {
        collect_number(collect, to, key, journal_get_number(record, "seq"));
    }
}

static void copy_member(struct collect *collect, yyjson_mut_val *to, yyjson_val *from, const char *key)
{
    yyjson_val *value = yyjson_obj_get(from, key);
    if (value != NULL) {
        add(collect, to, key, yyjson_val_mut_copy(collect->document, value));
    }
}

void collect_copy(struct collect *collect, yyjson_mut_val *to, yyjson_val *from, ...)
{
    va_list names;
    va_start(names, from);
    for (const char *key = va_arg(names, const char *); key != NULL; key = va_arg(names, const char *)) {
        char coded[64];
        snprintf(coded, sizeof coded, "%s64", key);
        copy_member(collect, to, from, key);
        copy_member(collect, to, from, coded);
    }
    va_end(names);
}

yyjson_val *collect_last_before(const struct collect *collect, const char *kind, size_t before)
{
    for (size_t i = before; i > 0; i--) {
        if (journal_is(journal_record(collect->journal, i - 1), kind)) {
            return journal_record(collect->journal, i - 1);
        }
    }
    return NULL;
}

yyjson_val *collect_last(const struct collect *collect, const char *kind)
{
    return collect_last_before(collect, kind, collect->journal->count);
}

int64_t collect_as_number(yyjson_val *value)
{
    if (yyjson_is_int(value)) {
        return yyjson_get_sint(value);
    }
    const char *text = yyjson_get_str(value);
    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return -1;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno != 0 || *end != '\0' ? -1 : number;
}

bool collect_stands(const struct collect *collect, yyjson_val *intent)
{
    return collect->undone[journal_get_number(intent, "seq")] == 0;
}

/* Which records end and undo which intents: once, since a run may have very many. */
static void index_deeds(struct collect *collect)
{
    size_t count = collect->journal->count;
    for (size_t i = 0; i < count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        size_t *ends = journal_is(record, "done")     ? collect->done
                       : journal_is(record, "undone") ? collect->undone
                                                      : NULL;
        int64_t of = ends == NULL ? 0 : journal_get_number(record, "of");
        if (of > 0 && of <= (int64_t)count) {
            ends[of] = i + 1;
        }
    }
}

static void collect_journal(struct collect *collect)
{
    yyjson_mut_val *object = collect_object(collect, collect->root, "journal");
    collect_text(collect, object, "file", JOURNAL_FILE);
    collect_number(collect, object, "records", (int64_t)collect->journal->count);
    collect_text(collect, object, "head", collect->journal->head);
}

int report_json(const struct journal *journal, struct buffer *text, struct error *error)
{
    struct collect collect = {.journal = journal, .document = yyjson_mut_doc_new(NULL)};
    collect.done = calloc(journal->count + 1, sizeof *collect.done);
    collect.undone = calloc(journal->count + 1, sizeof *collect.undone);
    collect.root = yyjson_mut_obj(collect.document);
    char *written = NULL;
    size_t length = 0;
    if (collect.root == NULL || collect.done == NULL || collect.undone == NULL) {
        goto out;
    }
    yyjson_mut_doc_set_root(collect.document, collect.root);
    index_deeds(&collect);
    collect_number(&collect, collect.root, "format", 1);
    collect_verdict(&collect);
    collect_run(&collect);
    collect_steps(&collect);
    collect_compare(&collect);
    collect_roles(&collect);
    collect_users(&collect);
    collect_orphans(&collect);
    collect_sizes(&collect);
    collect_safety(&collect);
    collect_changes(&collect);
    collect_server(&collect);
    collect_journal(&collect);
    written = collect.failed ? NULL : yyjson_mut_write(collect.document, YYJSON_WRITE_PRETTY_TWO_SPACES, &length);
out:
    if (written != NULL) {
        buffer_append(text, written, length);
        buffer_append(text, "\n", 1);
    }
    int result = written == NULL ? error_set(error, CSN_MEMORY, "no memory for the report") : buffer_check(text, error);
    free(written);
    free(collect.done);
    free(collect.undone);
    yyjson_mut_doc_free(collect.document);
    return result;
}
