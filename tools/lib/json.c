#include "lib/json.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>

#include "lib/text.h"

bool json_add_bytes(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *bytes,
                    size_t size_bytes)
{
    if (utf8_is_valid(bytes, size_bytes)) {
        return yyjson_mut_obj_add(object, yyjson_mut_strcpy(document, key),
                                  yyjson_mut_strncpy(document, bytes, size_bytes));
    }
    struct buffer name = {0};
    struct buffer text = {0};
    buffer_format(&name, "%s64", key);
    size_t room_size = (size_bytes + 2) / 3 * 4 + 1;
    unsigned char *room = (unsigned char *)buffer_reserve(&text, room_size);
    size_t length = 0;
    bool good = room != NULL && !name.failed &&
                mbedtls_base64_encode(room, room_size, &length, (const unsigned char *)bytes, size_bytes) == 0 &&
                yyjson_mut_obj_add(object, yyjson_mut_strncpy(document, name.data, name.size),
                                   yyjson_mut_strncpy(document, (const char *)room, length));
    buffer_free(&name);
    buffer_free(&text);
    return good;
}

bool json_get_bytes(yyjson_val *object, const char *key, struct buffer *bytes)
{
    yyjson_val *plain = yyjson_obj_get(object, key);
    if (yyjson_is_str(plain)) {
        buffer_append(bytes, yyjson_get_str(plain), yyjson_get_len(plain));
        return !bytes->failed;
    }
    char name[80];
    if ((size_t)snprintf(name, sizeof name, "%s64", key) >= sizeof name) {
        return false;
    }
    yyjson_val *coded = yyjson_obj_get(object, name);
    if (!yyjson_is_str(coded)) {
        return false;
    }
    size_t room_size = yyjson_get_len(coded) / 4 * 3 + 3;
    unsigned char *room = (unsigned char *)buffer_reserve(bytes, room_size);
    size_t length = 0;
    if (room == NULL || mbedtls_base64_decode(room, room_size, &length, (const unsigned char *)yyjson_get_str(coded),
                                              yyjson_get_len(coded)) != 0) {
        return false;
    }
    bytes->size += length;
    buffer_append(bytes, "", 0);
    return !bytes->failed;
}

/* Gives value, a string, this text; the document keeps a copy. */
static bool set_text(yyjson_mut_doc *document, yyjson_mut_val *value, const char *text, size_t size)
{
    yyjson_mut_val *copy = yyjson_mut_strncpy(document, text, size);
    return copy != NULL && yyjson_mut_set_strn(value, yyjson_mut_get_str(copy), size);
}

static bool is_mended(yyjson_mut_val *value)
{
    return !yyjson_mut_is_str(value) || utf8_is_valid(yyjson_mut_get_str(value), yyjson_mut_get_len(value));
}

/* "a\xe4b" for a text that has no key of its own. */
static bool mend_text(yyjson_mut_doc *document, yyjson_mut_val *value)
{
    struct buffer text = {0};
    const char *bytes = yyjson_mut_get_str(value);
    for (size_t i = 0; i < yyjson_mut_get_len(value); i++) {
        unsigned char byte = (unsigned char)bytes[i];
        buffer_format(&text, byte == 0 || byte >= 0x80 ? "\\x%02x" : "%c", byte);
    }
    bool good = !text.failed && set_text(document, value, buffer_text(&text), text.size);
    buffer_free(&text);
    return good;
}

/* "key": bytes becomes "key64": their base64. */
static bool mend_member(yyjson_mut_doc *document, yyjson_mut_val *key, yyjson_mut_val *value)
{
    yyjson_mut_val *coded = yyjson_mut_obj(document);
    if (coded == NULL || !json_add_bytes(document, coded, yyjson_mut_get_str(key), yyjson_mut_get_str(value),
                                         yyjson_mut_get_len(value))) {
        return false;
    }
    yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(coded);
    yyjson_mut_val *name = yyjson_mut_obj_iter_next(&iter);
    yyjson_mut_val *text = yyjson_mut_obj_iter_get_val(name);
    return yyjson_mut_set_strn(key, yyjson_mut_get_str(name), yyjson_mut_get_len(name)) &&
           yyjson_mut_set_strn(value, yyjson_mut_get_str(text), yyjson_mut_get_len(text));
}

/* NOLINTNEXTLINE(misc-no-recursion): our own records, a few levels deep */
static bool mend(yyjson_mut_doc *document, yyjson_mut_val *value)
{
    size_t i;
    size_t count;
    yyjson_mut_val *key;
    yyjson_mut_val *item;
    bool good = true;
    yyjson_mut_arr_foreach(value, i, count, item)
    {
        good = good && (is_mended(item) ? mend(document, item) : mend_text(document, item));
    }
    yyjson_mut_obj_foreach(value, i, count, key, item)
    {
        good = good && (is_mended(key) || mend_text(document, key)) &&
               (is_mended(item) ? mend(document, item) : mend_member(document, key, item));
    }
    return good;
}

int json_mend(yyjson_mut_doc *document, struct error *error)
{
    return mend(document, yyjson_mut_doc_get_root(document))
               ? 0
               : error_set(error, CSN_MEMORY, "no memory to write a line of JSON");
}

int json_append_line(struct buffer *out, const yyjson_mut_doc *document, struct error *error)
{
    size_t length = 0;
    yyjson_write_err why = {0};
    char *line = yyjson_mut_write_opts(document, YYJSON_WRITE_NOFLAG, NULL, &length, &why);
    if (line == NULL) {
        return why.code == YYJSON_WRITE_ERROR_INVALID_STRING
                   ? error_set(error, CSN_INTERNAL, "a text that is not UTF-8 was to become JSON")
                   : error_set(error, CSN_MEMORY, "no memory to write a line of JSON");
    }
    buffer_append(out, line, length);
    free(line);
    return buffer_check(out, error);
}
