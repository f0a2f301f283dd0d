#include "lib/json.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>

#include "lib/strings.h"

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

int json_append_line(struct buffer *out, const yyjson_mut_doc *document, struct error *error)
{
    size_t length = 0;
    char *line = yyjson_mut_write(document, YYJSON_WRITE_NOFLAG, &length);
    if (line == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to write a line of JSON");
    }
    buffer_append(out, line, length);
    free(line);
    return buffer_check(out, error);
}
