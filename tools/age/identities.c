#include "age/identities.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "age/header.h"
#include "age/reader.h"
#include "lib/buffer.h"
#include "lib/file.h"

#define FILE_LIMIT_BYTES ((size_t)256 * 1024)
#define READ_STEP_BYTES ((size_t)65536) /* file_read's */

static void wipe_list(struct age_identity *items, size_t count)
{
    if (items != NULL) {
        explicit_bzero(items, count * sizeof *items);
    }
    free(items);
}

int age_identities_add(struct age_identities *list, const struct age_identity *identity, struct error *error)
{
    if (list->count == list->allocated) {
        size_t wanted = list->allocated == 0 ? 4 : list->allocated * 2;
        struct age_identity *grown = calloc(wanted, sizeof *grown); /* not realloc: that leaves secrets behind */
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu identities", wanted);
        }
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * sizeof *grown);
        }
        wipe_list(list->items, list->count);
        list->items = grown;
        list->allocated = wanted;
    }
    list->items[list->count++] = *identity;
    return 0;
}

void age_identities_free(struct age_identities *list)
{
    wipe_list(list->items, list->count);
    *list = (struct age_identities){0};
}

/* One line, which a copy is made of. */
static int parse_line(struct age_identities *list, const char *line, size_t length, struct error *error)
{
    char text[AGE_IDENTITY_TEXT_SIZE + 1]; /* one character more than a good one has */
    struct age_identity identity;
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t')) {
        length--;
    }
    if (length == 0 || line[0] == '#') {
        return 0;
    }
    length = length < sizeof text ? length : sizeof text - 1;
    memcpy(text, line, length);
    text[length] = '\0';
    int result = list->count < AGE_IDENTITIES_LIMIT
                     ? age_identity_parse(&identity, text, error)
                     : error_set(error, CSN_AGE_KEY, "more than %u identities", AGE_IDENTITIES_LIMIT);
    if (result == 0) {
        result = age_identities_add(list, &identity, error);
    }
    age_identity_wipe(&identity);
    explicit_bzero(text, sizeof text);
    return result;
}

static void drop_behind(struct age_identities *list, size_t count)
{
    for (; list->count > count; list->count--) {
        age_identity_wipe(&list->items[list->count - 1]);
    }
}

int age_identities_parse(struct age_identities *list, const char *text, const char *name, struct error *error)
{
    size_t before = list->count;
    unsigned number = 1;
    for (const char *line = text; *line != '\0'; number++) {
        size_t length = strcspn(line, "\n");
        if (parse_line(list, line, length, error) != 0) {
            drop_behind(list, before);
            return error_wrap(error, "%s, line %u", name, number);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    return list->count > before ? 0 : error_set(error, CSN_AGE_KEY, "%s holds no identity", name);
}

static int from_memory(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    const struct buffer *file = context;
    if (offset > file->size || size_bytes > file->size - offset) {
        return error_set(error, CSN_AGE_DAMAGED, "it is cut short");
    }
    memcpy(data, file->data + offset, size_bytes);
    return 0;
}

/* The content of an identity file that is encrypted. */
static int decrypt(struct buffer *file, const char *passphrase, struct buffer *plain, struct error *error)
{
    struct age_keys keys = {.passphrase = passphrase};
    struct age_reader *reader = age_reader_open(from_memory, file, file->size, &keys, error);
    if (reader == NULL) {
        return -1;
    }
    size_t size_bytes = (size_t)age_reader_size(reader);
    char *room = buffer_reserve(plain, size_bytes);
    int result = room == NULL ? buffer_check(plain, error) : age_reader_read(reader, 0, room, size_bytes, error);
    if (result == 0) {
        plain->size = size_bytes;
        plain->data[size_bytes] = '\0';
    }
    age_reader_free(reader);
    return result;
}

static void wipe(struct buffer *buffer)
{
    if (buffer->data != NULL) {
        explicit_bzero(buffer->data, buffer->allocated);
    }
    buffer_free(buffer);
}

int age_identities_read(struct age_identities *list, int dir_fd, const char *path, const char *passphrase,
                        struct error *error)
{
    struct buffer file = {0};
    struct buffer plain = {0};
    if (age_key_is_secret(path)) {
        return error_set(error, CSN_AGE_KEY, "a secret key itself is given, not the name of the file that holds it");
    }
    /* All at once: a buffer that grows leaves copies behind. */
    (void)buffer_reserve(&file, FILE_LIMIT_BYTES + READ_STEP_BYTES);
    struct stat status;
    int result =
        fstatat(dir_fd, path, &status, 0) == 0 && S_ISREG(status.st_mode) && status.st_size > (off_t)FILE_LIMIT_BYTES
            ? error_set(error, CSN_AGE_KEY, "%s is no file of identities: it is larger than 256 KiB", path)
            : file_read(dir_fd, path, FILE_LIMIT_BYTES, &file, error);
    if (result == 0 && age_header_is_meant(file.data, file.size)) {
        result = decrypt(&file, passphrase, &plain, error);
        if (result != 0) {
            (void)error_wrap(error, "%s", path);
        }
    }
    if (result == 0) {
        const struct buffer *text = plain.data == NULL ? &file : &plain;
        result = strlen(buffer_text(text)) != text->size ? error_set(error, CSN_AGE_KEY, "%s is not a text", path)
                                                         : age_identities_parse(list, buffer_text(text), path, error);
    }
    wipe(&plain);
    wipe(&file);
    return result;
}
