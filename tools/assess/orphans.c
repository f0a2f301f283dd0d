#include "assess/orphans.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/json.h"

#define QUERY_TIMEOUT_SEC 3600
#define EXAMPLE_BYTES 200

struct asking {
    struct orphans *orphans;
    const struct progress *progress;
};

/* Cut between two characters, should it be UTF-8. */
static int add_example(struct strings *examples, const char *text, size_t size_bytes, struct error *error)
{
    char cut[EXAMPLE_BYTES + 1];
    size_t length = size_bytes < EXAMPLE_BYTES ? size_bytes : EXAMPLE_BYTES;
    if (size_bytes > EXAMPLE_BYTES) {
        for (size_t i = 0; i < 3 && ((unsigned char)text[length] & 0xc0) == 0x80; i++) {
            length--;
        }
    }
    memcpy(cut, text, length);
    cut[length] = '\0';
    return strings_add(examples, cut, error);
}

static int take_row(void *context, const struct query_row *row, struct error *error)
{
    struct asking *asking = context;
    struct orphans *orphans = asking->orphans;
    if (row->column_count < 1) {
        return error_set(error, CSN_TARGET_PROFILE, "the query gives rows without a column");
    }
    orphans->count++;
    struct progress_state state = {
        .doing = "looking for orphans", .item = orphans->asked->title, .done_items = orphans->count};
    progress_tell(asking->progress, &state);
    if (orphans->examples.count >= ORPHANS_EXAMPLES) {
        return 0;
    }
    return row->values[0] == NULL ? strings_add(&orphans->examples, "NULL", error)
                                  : add_example(&orphans->examples, row->values[0], row->sizes[0], error);
}

int orphans_read(const struct query_target *database, const struct profile *profile, const struct progress *progress,
                 struct orphans_list *list, struct error *error)
{
    static const struct query_limits limits = {.timeout_sec = QUERY_TIMEOUT_SEC};
    struct query_session *session = NULL;
    *list = (struct orphans_list){.items = calloc(profile->orphan_count + 1, sizeof *list->items)};
    if (list->items == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the orphans");
    }
    int result = query_open(database, 0, &session, error);
    if (result == 0) {
        result = query_execute(session, "SET default_transaction_read_only = on", 60, NULL, error);
    }
    for (size_t i = 0; result == 0 && i < profile->orphan_count; i++) {
        struct asking asking = {.orphans = &list->items[list->count++], .progress = progress};
        struct progress_state state = {.doing = "looking for orphans", .item = profile->orphans[i].title};
        asking.orphans->asked = &profile->orphans[i];
        progress_tell(progress, &state);
        if (query_run(session, profile->orphans[i].sql, NULL, 0, &limits, take_row, &asking, error) != 0) {
            result = error_wrap(error, "[orphans %s] of the profile", profile->orphans[i].name);
        }
    }
    query_close(session);
    return result;
}

yyjson_mut_val *orphans_to_json(const struct orphans_list *list, yyjson_mut_doc *document)
{
    yyjson_mut_val *array = yyjson_mut_arr(document);
    for (size_t i = 0; i < list->count; i++) {
        const struct orphans *orphans = &list->items[i];
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, array);
        yyjson_mut_obj_add_strcpy(document, item, "name", orphans->asked->name);
        yyjson_mut_obj_add_strcpy(document, item, "title", orphans->asked->title);
        yyjson_mut_obj_add_uint(document, item, "count", orphans->count);
        yyjson_mut_val *examples = yyjson_mut_obj_add_arr(document, item, "examples");
        for (size_t k = 0; k < orphans->examples.count; k++) {
            const char *example = orphans->examples.items[k];
            json_add_bytes(document, yyjson_mut_arr_add_obj(document, examples), "row", example, strlen(example));
        }
    }
    return array;
}

static yyjson_val *find(yyjson_val *list, const char *name)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, count, item)
    {
        if (yyjson_equals_str(yyjson_obj_get(item, "name"), name)) {
            return yyjson_obj_get(item, "count");
        }
    }
    return NULL;
}

int orphans_compare(yyjson_val *before, const struct orphans_list *after, struct error *error)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct orphans *orphans = &after->items[i];
        yyjson_val *old = find(before, orphans->asked->name);
        if (old != NULL && orphans->count > yyjson_get_uint(old)) {
            return error_set(error, CSN_SEQUENCE_VERIFY,
                             "%llu rows are orphans by [orphans %s] (%s), %llu before the upgrade; the first is %s",
                             (unsigned long long)orphans->count, orphans->asked->name, orphans->asked->title,
                             (unsigned long long)yyjson_get_uint(old), orphans->examples.items[0]);
        }
    }
    return 0;
}

void orphans_free(struct orphans_list *list)
{
    for (size_t i = 0; list->items != NULL && i < list->count; i++) {
        strings_free(&list->items[i].examples);
    }
    free(list->items);
    *list = (struct orphans_list){0};
}
