/*
 * mount_journal.c - whether a file system's journal waits to be played back and whether it is marked as having errors, read
 * from the disk's own bytes, so that it is known before anything is mounted. Layouts: README.md, "Journals".
 */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/mount.h"

static uint32_t little32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint16_t little16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t big32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static uint64_t big64(const uint8_t *at)
{
    return (uint64_t)big32(at) << 32 | big32(at + 4);
}

static int read_at(int fd, const char *device, uint64_t offset, uint8_t *data, size_t size_bytes, struct error *error)
{
    ssize_t got = pread(fd, data, size_bytes, (off_t)offset);
    if (got < 0) {
        return error_system(error, CSN_IO, "reading %s", device);
    }
    return got == (ssize_t)size_bytes ? 0 : error_set(error, CSN_IO, "reading %s: it ends too early", device);
}

#define EXT_SUPER_OFFSET 1024
#define EXT_MAGIC 0xEF53
#define EXT_STATE_CLEAN 0x0001
#define EXT_STATE_ERRORS 0x0002
#define EXT_COMPAT_JOURNAL 0x0004
#define EXT_INCOMPAT_RECOVER 0x0004

static int ext_state(int fd, const char *device, struct mount_state *state, struct error *error)
{
    uint8_t super[1024];
    if (read_at(fd, device, EXT_SUPER_OFFSET, super, sizeof super, error) != 0) {
        return -1;
    }
    if (little16(super + 56) != EXT_MAGIC) {
        return error_set(error, CSN_TARGET_MOUNT, "%s holds no ext file system", device);
    }
    bool journal = (little32(super + 92) & EXT_COMPAT_JOURNAL) != 0;
    /* With a journal the state stays "clean" while mounted; without one only the state tells. */
    bool clean = (little16(super + 58) & EXT_STATE_CLEAN) != 0;
    state->needs_recovery = journal ? (little32(super + 96) & EXT_INCOMPAT_RECOVER) != 0 : !clean;
    /* The count outlives a mark that was lost with a remount; only e2fsck clears it. */
    state->has_errors = (little16(super + 58) & EXT_STATE_ERRORS) != 0 || little32(super + 404) != 0;
    return 0;
}

#define BTRFS_SUPER_OFFSET 65536

static int btrfs_needs(int fd, const char *device, bool *needs, struct error *error)
{
    static const uint8_t none[8];
    uint8_t super[256];
    if (read_at(fd, device, BTRFS_SUPER_OFFSET, super, sizeof super, error) != 0) {
        return -1;
    }
    if (memcmp(super + 64, "_BHRfS_M", 8) != 0) {
        return error_set(error, CSN_TARGET_MOUNT, "%s holds no btrfs file system", device);
    }
    *needs = memcmp(super + 96, none, sizeof none) != 0; /* the root of the log tree */
    return 0;
}

#define XFS_LOG_BLOCK 512
#define XFS_LOG_MAGIC 0xFEEDBABEU
#define XFS_HEADER_COVERS 32768
#define XFS_UNMOUNT 0x20

struct xfs_log {
    int fd;
    const char *device;
    uint64_t offset; /* bytes */
    uint64_t blocks; /* of XFS_LOG_BLOCK */
};

static int log_block(const struct xfs_log *log, uint64_t block, uint8_t data[XFS_LOG_BLOCK], struct error *error)
{
    return read_at(log->fd, log->device, log->offset + (block % log->blocks) * XFS_LOG_BLOCK, data, XFS_LOG_BLOCK,
                   error);
}

/* Each block of the log begins with the number of its turn round the log; a record's header has it behind its magic. */
static int log_cycle(const struct xfs_log *log, uint64_t block, uint32_t *cycle, struct error *error)
{
    uint8_t data[XFS_LOG_BLOCK];
    if (log_block(log, block, data, error) != 0) {
        return -1;
    }
    *cycle = big32(data) == XFS_LOG_MAGIC ? big32(data + 4) : big32(data);
    return 0;
}

/* The block where the next record would be written: the first of an older turn. */
static int log_head(const struct xfs_log *log, uint64_t *head, struct error *error)
{
    uint32_t first = 0;
    uint32_t at = 0;
    if (log_cycle(log, 0, &first, error) != 0 || log_cycle(log, log->blocks - 1, &at, error) != 0) {
        return -1;
    }
    uint64_t low = 0;            /* of the first block's turn */
    uint64_t high = log->blocks; /* of an older one; the end counts as such */
    if (at == first) {
        *head = 0;
        return 0;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (log_cycle(log, middle, &at, error) != 0) {
            return -1;
        }
        if (at == first) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *head = high;
    return 0;
}

/* A clean log ends with a record that holds one thing only: the note of the unmount. */
static int log_ends_with_unmount(const struct xfs_log *log, uint64_t head, bool *clean, struct error *error)
{
    uint8_t header[XFS_LOG_BLOCK];
    uint8_t data[XFS_LOG_BLOCK];
    *clean = false;
    /* The record is a header of one block (more for large log buffers) and its content, padded to the stripe unit. */
    for (uint64_t back = 2; back <= 1024 && back < log->blocks; back++) {
        uint64_t block = head + log->blocks - back;
        if (log_block(log, block, header, error) != 0) {
            return -1;
        }
        if (big32(header) != XFS_LOG_MAGIC) {
            continue;
        }
        uint64_t header_blocks = 1;
        if ((big32(header + 8) & 2) != 0 && big32(header + 320) > XFS_HEADER_COVERS) {
            header_blocks = (big32(header + 320) + XFS_HEADER_COVERS - 1) / XFS_HEADER_COVERS;
        }
        uint64_t content_blocks = (big32(header + 12) + XFS_LOG_BLOCK - 1) / XFS_LOG_BLOCK;
        if (log_block(log, block + header_blocks, data, error) != 0) {
            return -1;
        }
        *clean = big32(header + 40) == 1 && (data[9] & XFS_UNMOUNT) != 0 && header_blocks + content_blocks == back;
        return 0;
    }
    return 0;
}

static int xfs_needs(int fd, const char *device, bool *needs, bool *known, struct error *error)
{
    uint8_t super[256];
    if (read_at(fd, device, 0, super, sizeof super, error) != 0) {
        return -1;
    }
    if (memcmp(super, "XFSB", 4) != 0) {
        return error_set(error, CSN_TARGET_MOUNT, "%s holds no XFS file system", device);
    }
    uint64_t log_start = big64(super + 48);
    uint64_t block_size = big32(super + 4);
    uint64_t group_blocks = big32(super + 84);
    unsigned group_bits = super[124];
    struct xfs_log log = {.fd = fd, .device = device, .blocks = big32(super + 96) * block_size / XFS_LOG_BLOCK};
    *known = log_start != 0 && log.blocks > 1 && group_bits < 32; /* 0: the log is on another device */
    if (!*known) {
        return 0;
    }
    log.offset = ((log_start >> group_bits) * group_blocks + (log_start & ((1U << group_bits) - 1))) * block_size;
    uint64_t head = 0;
    bool clean = false;
    uint32_t first = 0;
    if (log_cycle(&log, 0, &first, error) != 0 || log_head(&log, &head, error) != 0 ||
        log_ends_with_unmount(&log, head, &clean, error) != 0) {
        return -1;
    }
    *needs = !clean && first != 0; /* turn 0: never used */
    return 0;
}

int mount_examine(const char *device, const char *type, struct mount_state *state, struct error *error)
{
    *state = (struct mount_state){.known = true};
    int fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_system(error, CSN_IO, "opening %s", device);
    }
    int result = 0;
    if (strncmp(type, "ext", 3) == 0) {
        result = ext_state(fd, device, state, error);
    } else if (strcmp(type, "btrfs") == 0) {
        result = btrfs_needs(fd, device, &state->needs_recovery, error);
    } else if (strcmp(type, "xfs") == 0) {
        result = xfs_needs(fd, device, &state->needs_recovery, &state->known, error);
    } else {
        state->known = false;
    }
    file_drop(&fd);
    return result;
}
