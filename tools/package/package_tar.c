#include "package/package_tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Offsets and widths of the header's fields. */
enum {
    NAME_AT = 0,
    NAME_WIDTH = 100,
    MODE_AT = 100,
    OWNER_AT = 108,
    GROUP_AT = 116,
    SIZE_AT = 124,
    TIME_AT = 136,
    CHECKSUM_AT = 148,
    CHECKSUM_WIDTH = 8,
    TYPE_AT = 156,
    LINK_AT = 157,
    MAGIC_AT = 257,
};

#define OCTAL_LIMIT ((uint64_t)1 << 33) /* eleven digits */

static const char magic[8] = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};

/* digits octal digits, then the NUL that is there already. */
static void put_octal(char *field, int digits, uint64_t number)
{
    for (int i = digits - 1; i >= 0; i--) {
        field[i] = (char)('0' + (number & 7));
        number >>= 3;
    }
}

static void put_text(char *field, const char *text)
{
    size_t length = strlen(text);
    memcpy(field, text, length < NAME_WIDTH ? length : NAME_WIDTH);
}

static void append_block(struct buffer *header, const struct tar_entry *entry, char type, uint64_t size_bytes)
{
    char block[TAR_BLOCK] = {0};
    put_text(block + NAME_AT, entry->name);
    put_octal(block + MODE_AT, 7, entry->mode & 07777);
    put_octal(block + OWNER_AT, 7, 0);
    put_octal(block + GROUP_AT, 7, 0);
    put_octal(block + SIZE_AT, 11, size_bytes);
    put_octal(block + TIME_AT, 11, entry->mtime_sec);
    block[TYPE_AT] = type;
    if (entry->link != NULL) {
        put_text(block + LINK_AT, entry->link);
    }
    memcpy(block + MAGIC_AT, magic, sizeof magic);
    /* The sum is taken with its own field full of blanks. */
    memset(block + CHECKSUM_AT, ' ', CHECKSUM_WIDTH);
    unsigned sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += (unsigned char)block[i];
    }
    put_octal(block + CHECKSUM_AT, 6, sum);
    block[CHECKSUM_AT + 6] = '\0';
    buffer_append(header, block, sizeof block);
}

/* A pax record begins with its own length in decimal, the digits of which count too: "LENGTH key=value\n". */
static void append_record(struct buffer *records, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3;
    size_t length = rest + 1;
    for (size_t power = 10; length >= power; power *= 10) {
        length++;
    }
    buffer_format(records, "%zu %s=%s\n", length, key, value);
}

static void append_pax(struct buffer *header, const struct tar_entry *entry)
{
    struct buffer records = {0};
    char number[24];
    if (strlen(entry->name) > NAME_WIDTH) {
        append_record(&records, "path", entry->name);
    }
    if (entry->link != NULL && strlen(entry->link) > NAME_WIDTH) {
        append_record(&records, "linkpath", entry->link);
    }
    if (entry->size_bytes >= OCTAL_LIMIT) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)entry->size_bytes);
        append_record(&records, "size", number);
    }
    header->failed = header->failed || records.failed;
    if (records.size > 0) {
        static const char zeros[TAR_BLOCK];
        struct tar_entry pax = {.name = "pax", .mode = 0644, .mtime_sec = entry->mtime_sec};
        append_block(header, &pax, 'x', records.size);
        buffer_append(header, records.data, records.size);
        buffer_append(header, zeros, tar_padding(records.size));
    }
    buffer_free(&records);
}

void tar_header(struct buffer *header, const struct tar_entry *entry)
{
    append_pax(header, entry);
    append_block(header, entry, entry->type, entry->size_bytes < OCTAL_LIMIT ? entry->size_bytes : 0);
}

void tar_member_header(struct buffer *header, const char *name, uint64_t size_bytes)
{
    struct tar_entry entry = {.name = name, .type = '0', .mode = 0644, .size_bytes = size_bytes};
    tar_header(header, &entry);
}

size_t tar_padding(uint64_t size_bytes)
{
    return (size_t)((TAR_BLOCK - size_bytes % TAR_BLOCK) % TAR_BLOCK);
}

/* False unless there are digits octal digits. */
static bool get_octal(const char *field, int digits, uint64_t *number)
{
    *number = 0;
    for (int i = 0; i < digits; i++) {
        if (field[i] < '0' || field[i] > '7') {
            return false;
        }
        *number = *number * 8 + (uint64_t)(field[i] - '0');
    }
    return true;
}

bool tar_member_read(const char block[TAR_BLOCK], const char *name, uint64_t *size_bytes)
{
    if (!get_octal(block + SIZE_AT, 11, size_bytes)) {
        return false;
    }
    struct buffer expected = {0};
    tar_member_header(&expected, name, *size_bytes);
    bool same = !expected.failed && expected.size == TAR_BLOCK && memcmp(block, expected.data, TAR_BLOCK) == 0;
    buffer_free(&expected);
    return same;
}

char tar_peek(const char block[TAR_BLOCK], char *name, char *link, size_t room, unsigned *mode, uint64_t *size_bytes)
{
    snprintf(name, room, "%.*s", NAME_WIDTH, block + NAME_AT);
    snprintf(link, room, "%.*s", NAME_WIDTH, block + LINK_AT);
    uint64_t number = 0;
    *mode = get_octal(block + MODE_AT, 7, &number) ? (unsigned)number : 0;
    if (!get_octal(block + SIZE_AT, 11, size_bytes) || memcmp(block + MAGIC_AT, magic, 5) != 0) {
        return '\0';
    }
    return block[TYPE_AT];
}
