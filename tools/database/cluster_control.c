#include "database/cluster.h"

#include <stdio.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/root.h"

#define CONTROL_FILE_BYTES 8192

/*
 * Where the fields lie, by the version of pg_control itself. The structure is written as the compiler laid it out, so
 * these are the offsets of a 64-bit little-endian machine (x86-64, aarch64). README.md has the same as a page.
 */
struct layout {
    uint32_t control_version;
    const char *releases;
    unsigned copy; /* of the last checkpoint: redo at +0, timeline at +8 */
    unsigned block;
    unsigned segment;
    unsigned checksums;
    unsigned crc;
};

static const struct layout layouts[] = {
    {1002, "10", 48, 216, 228, 252, 288}, {1100, "11", 40, 208, 220, 244, 280},
    {1201, "12", 40, 216, 228, 252, 288}, {1300, "13 to 16", 40, 216, 228, 252, 288},
    {1700, "17", 40, 216, 228, 252, 288}, {1800, "18", 40, 216, 228, 252, 292},
};

static uint32_t read_u32(const uint8_t *data, unsigned offset)
{
    uint32_t value;
    memcpy(&value, data + offset, sizeof value);
    return value;
}

static uint64_t read_u64(const uint8_t *data, unsigned offset)
{
    uint64_t value;
    memcpy(&value, data + offset, sizeof value);
    return value;
}

/* CRC-32C (Castagnoli), bit by bit: 300 bytes, once. */
static uint32_t crc32c(const uint8_t *data, size_t size_bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

const char *cluster_state_text(enum cluster_state state)
{
    switch (state) {
    case CLUSTER_STARTING: return "starting up";
    case CLUSTER_SHUT_DOWN: return "shut down";
    case CLUSTER_SHUT_DOWN_IN_RECOVERY: return "shut down in recovery";
    case CLUSTER_SHUTTING_DOWN: return "shutting down";
    case CLUSTER_IN_CRASH_RECOVERY: return "in crash recovery";
    case CLUSTER_IN_ARCHIVE_RECOVERY: return "in archive recovery";
    case CLUSTER_IN_PRODUCTION: return "in production";
    }
    return "in an unknown state";
}

int cluster_parse_control(const void *data, size_t size_bytes, struct cluster_control *control, struct error *error)
{
    const uint8_t *bytes = data;
    *control = (struct cluster_control){0};
    if (size_bytes < 296) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "global/pg_control has only %zu bytes", size_bytes);
    }
    uint32_t version = read_u32(bytes, 8);
    const struct layout *layout = NULL;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (layouts[i].control_version == version) {
            layout = &layouts[i];
        }
    }
    if (layout == NULL) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER,
                         "global/pg_control has the format %u, which is none of PostgreSQL 10 to 18", version);
    }
    if (crc32c(bytes, layout->crc) != read_u32(bytes, layout->crc)) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "global/pg_control is damaged: its checksum does not hold");
    }
    uint32_t state = read_u32(bytes, 16);
    if (state > CLUSTER_IN_PRODUCTION) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "global/pg_control has the unknown state %u", state);
    }
    *control = (struct cluster_control){
        .system_identifier = read_u64(bytes, 0),
        .control_version = version,
        .catalog_version = read_u32(bytes, 12),
        .state = (enum cluster_state)state,
        .time_sec = (int64_t)read_u64(bytes, 24),
        .checkpoint = read_u64(bytes, 32),
        .redo = read_u64(bytes, layout->copy),
        .timeline = read_u32(bytes, layout->copy + 8),
        .block_bytes = read_u32(bytes, layout->block),
        .segment_bytes = read_u32(bytes, layout->segment),
        .checksums = read_u32(bytes, layout->checksums),
    };
    return 0;
}

static int read_control(int root_fd, const char *data_path, const char *name, struct cluster_control *control,
                        struct error *error)
{
    char path[4096];
    struct buffer content = {0};
    if (snprintf(path, sizeof path, "%s/%s", data_path, name) >= (int)sizeof path) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "the path %s is too long", data_path);
    }
    int result = root_read(root_fd, path, CONTROL_FILE_BYTES, &content, error);
    if (result != 0 && error != NULL && error->code == CSN_NOT_FOUND) {
        error->code = CSN_DATABASE_NOT_CLUSTER;
    }
    if (result == 0) {
        result = cluster_parse_control(buffer_text(&content), content.size, control, error);
        if (result != 0) {
            error_wrap(error, "%s", data_path);
        }
    }
    buffer_free(&content);
    return result;
}

int cluster_read_control(int root_fd, const char *data_path, struct cluster_control *control, struct error *error)
{
    return read_control(root_fd, data_path, CLUSTER_CONTROL, control, error);
}

int cluster_read_held_control(int root_fd, const char *data_path, struct cluster_control *control, struct error *error)
{
    return read_control(root_fd, data_path, CLUSTER_CONTROL_HELD, control, error);
}
