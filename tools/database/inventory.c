#include "database/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database/inventory_internal.h"
#include "lib/json.h"
#include "lib/sha256.h"

static const char *const kinds[] = {
    [INVENTORY_ROLE] = "role",     [INVENTORY_SETTING] = "setting", [INVENTORY_DATABASE] = "database",
    [INVENTORY_OBJECT] = "object", [INVENTORY_TABLE] = "table",     [INVENTORY_SEQUENCE] = "sequence",
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

const char *inventory_kind_text(enum inventory_kind kind)
{
    return (size_t)kind < KIND_COUNT ? kinds[kind] : "thing";
}

static void free_item(struct inventory_item *item)
{
    free(item->database);
    free(item->name);
    free(item->checksum);
}

void inventory_free(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        free_item(&inventory->items[i]);
    }
    free(inventory->items);
    *inventory = (struct inventory){0};
}

int inventory_add(struct inventory *inventory, enum inventory_kind kind, const char *database, const char *name,
                  uint64_t rows, const char *checksum, struct error *error)
{
    if (inventory->count == inventory->allocated) {
        size_t wanted = inventory->allocated == 0 ? 256 : inventory->allocated * 2;
        struct inventory_item *grown = realloc(inventory->items, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for an inventory of %zu items", wanted);
        }
        inventory->items = grown;
        inventory->allocated = wanted;
    }
    struct inventory_item item = {
        .kind = kind, .database = strdup(database), .name = strdup(name), .rows = rows, .checksum = strdup(checksum)};
    if (item.database == NULL || item.name == NULL || item.checksum == NULL) {
        free_item(&item);
        return error_set(error, CSN_MEMORY, "no memory for an inventory");
    }
    inventory->items[inventory->count++] = item;
    return 0;
}

int inventory_add_definition(struct inventory *inventory, enum inventory_kind kind, const char *database,
                             const char *name, const char *definition, struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    sha256_of(definition, strlen(definition), digest);
    hex_encode(digest, sizeof digest, hex);
    return inventory_add(inventory, kind, database, name, 0, hex, error);
}

/* By what it is, not by what is in it. */
static int order(const struct inventory_item *a, const struct inventory_item *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    int by_database = strcmp(a->database, b->database);
    return by_database != 0 ? by_database : strcmp(a->name, b->name);
}

static int order_all(const void *a, const void *b)
{
    const struct inventory_item *left = a;
    const struct inventory_item *right = b;
    int by_name = order(left, right);
    return by_name != 0 ? by_name : strcmp(left->checksum, right->checksum);
}

void inventory_sort(struct inventory *inventory)
{
    if (inventory->count > 1) {
        qsort(inventory->items, inventory->count, sizeof *inventory->items, order_all);
    }
}

const struct inventory_item *inventory_find(const struct inventory *inventory, enum inventory_kind kind,
                                            const char *database, const char *name)
{
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_item *item = &inventory->items[i];
        if (item->kind == kind && strcmp(item->database, database) == 0 && strcmp(item->name, name) == 0) {
            return item;
        }
    }
    return NULL;
}

static void add_text(struct sha256 *hash, const char *text)
{
    sha256_add(hash, text, strlen(text) + 1);
}

void inventory_digest(const struct inventory *inventory, char hex[65])
{
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    sha256_begin(&hash);
    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_item *item = &inventory->items[i];
        char rows[24];
        snprintf(rows, sizeof rows, "%llu", (unsigned long long)item->rows);
        add_text(&hash, inventory_kind_text(item->kind));
        add_text(&hash, item->database);
        add_text(&hash, item->name);
        add_text(&hash, rows);
        add_text(&hash, item->checksum);
    }
    sha256_end(&hash, digest);
    hex_encode(digest, sizeof digest, hex);
}

/* What is different about an item that one side has or both have. */
static void describe(const struct inventory_item *before, const struct inventory_item *after, char *text, size_t size)
{
    const struct inventory_item *item = before != NULL ? before : after;
    if (item == NULL) {
        snprintf(text, size, "nothing");
        return;
    }
    char where[200] = "";
    char how[120] = "differs";
    if (item->database[0] != '\0') {
        snprintf(where, sizeof where, " of the database %s", item->database);
    }
    if (before == NULL || after == NULL) {
        snprintf(how, sizeof how, "is only in the %s", before == NULL ? "second" : "first");
    } else if (item->kind == INVENTORY_TABLE && before->rows != after->rows) {
        snprintf(how, sizeof how, "has %llu rows and %llu", (unsigned long long)before->rows,
                 (unsigned long long)after->rows);
    } else if (item->kind == INVENTORY_TABLE) {
        snprintf(how, sizeof how, "has other content in its %llu rows", (unsigned long long)before->rows);
    } else if (item->kind == INVENTORY_SEQUENCE) {
        snprintf(how, sizeof how, "is at %.40s and %.40s", before->checksum, after->checksum);
    }
    snprintf(text, size, "the %s %s%s %s", inventory_kind_text(item->kind), item->name, where, how);
}

int inventory_compare(const struct inventory *before, const struct inventory *after, inventory_difference *tell,
                      void *context, struct error *error)
{
    char first[700] = "";
    size_t differences = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < before->count || j < after->count) {
        const struct inventory_item *left = i < before->count ? &before->items[i] : NULL;
        const struct inventory_item *right = j < after->count ? &after->items[j] : NULL;
        int place = left == NULL ? 1 : right == NULL ? -1 : order(left, right);
        i += place <= 0;
        j += place >= 0;
        if (place == 0 && left->rows == right->rows && strcmp(left->checksum, right->checksum) == 0) {
            continue;
        }
        left = place <= 0 ? left : NULL;
        right = place >= 0 ? right : NULL;
        if (differences++ == 0) {
            describe(left, right, first, sizeof first);
        }
        if (tell != NULL) {
            tell(context, left, right);
        }
    }
    if (differences == 0) {
        return 0;
    }
    if (differences == 1) {
        return error_set(error, CSN_DATABASE_DIFFERS, "%s", first);
    }
    return error_set(error, CSN_DATABASE_DIFFERS, "%s, and there are %zu more differences", first, differences - 1);
}

yyjson_mut_val *inventory_to_json(const struct inventory *inventory, yyjson_mut_doc *document)
{
    yyjson_mut_val *array = yyjson_mut_arr(document);
    for (size_t i = 0; i < inventory->count && array != NULL; i++) {
        const struct inventory_item *item = &inventory->items[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, array);
        bool added = object != NULL &&
                     yyjson_mut_obj_add_str(document, object, "kind", inventory_kind_text(item->kind)) &&
                     json_add_bytes(document, object, "database", item->database, strlen(item->database)) &&
                     json_add_bytes(document, object, "name", item->name, strlen(item->name)) &&
                     (item->kind != INVENTORY_TABLE || yyjson_mut_obj_add_uint(document, object, "rows", item->rows)) &&
                     yyjson_mut_obj_add_strcpy(document, object, "checksum", item->checksum);
        array = added ? array : NULL;
    }
    return array;
}

static int take_json(yyjson_val *object, struct inventory *inventory, struct error *error)
{
    const char *kind = yyjson_get_str(yyjson_obj_get(object, "kind"));
    const char *checksum = yyjson_get_str(yyjson_obj_get(object, "checksum"));
    struct buffer database = {0};
    struct buffer name = {0};
    size_t index = 0;
    int result;
    while (index < KIND_COUNT && (kind == NULL || strcmp(kinds[index], kind) != 0)) {
        index++;
    }
    if (index == KIND_COUNT || checksum == NULL || !json_get_bytes(object, "database", &database) ||
        !json_get_bytes(object, "name", &name)) {
        result = error_set(error, CSN_INTERNAL, "an inventory has an item that cannot be read");
    } else {
        result = inventory_add(inventory, (enum inventory_kind)index, buffer_text(&database), buffer_text(&name),
                               yyjson_get_uint(yyjson_obj_get(object, "rows")), checksum, error);
    }
    buffer_free(&database);
    buffer_free(&name);
    return result;
}

int inventory_from_json(yyjson_val *array, struct inventory *inventory, struct error *error)
{
    size_t index;
    size_t count;
    yyjson_val *object;
    *inventory = (struct inventory){0};
    if (!yyjson_is_arr(array)) {
        return error_set(error, CSN_INTERNAL, "an inventory is not a list");
    }
    yyjson_arr_foreach(array, index, count, object)
    {
        if (take_json(object, inventory, error) != 0) {
            inventory_free(inventory);
            return -1;
        }
    }
    inventory_sort(inventory);
    return 0;
}
