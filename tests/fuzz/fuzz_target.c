/*
 * fuzz_target.c - what a server's own bytes make of us: the first byte says whether the rest is a profile, an fstab, or a
 * device with an ext4 ('e'), XFS ('x') or btrfs ('b') superblock whose journal is looked at.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/mount.h"
#include "target/mount_fstab.h"
#include "target/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_profile(const char *text, size_t size_bytes)
{
    struct profile profile;
    struct error error;
    if (profile_parse(&profile, "fuzz", text, size_bytes, &error) == 0) {
        if (profile.name == NULL || profile.roots.count == 0 || profile.health_count == 0) {
            abort();
        }
    }
    profile_free(&profile);
}

static void fuzz_fstab(const void *text, size_t size_bytes)
{
    static int root_fd = -1;
    const char *folder = getenv("FUZZ_FOLDER");
    struct fstab fstab;
    struct error error;
    if (root_fd < 0) {
        if (folder == NULL || (root_fd = open(folder, O_RDONLY | O_DIRECTORY)) < 0 ||
            mkdirat(root_fd, "etc", 0700) != 0) {
            abort();
        }
    }
    int fd = openat(root_fd, "etc/fstab", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, size_bytes) != (ssize_t)size_bytes) {
        abort();
    }
    close(fd);
    if (fstab_read(&fstab, root_fd, &error) == 0) {
        for (size_t i = 0; i < fstab.count; i++) {
            (void)fstab_is_real(&fstab.items[i]);
            free(fstab_option_value(&fstab.items[i], "subvol="));
        }
        fstab_free(&fstab);
    }
}

static void fuzz_journal(const char *type, const void *bytes, size_t size_bytes)
{
    char path[64];
    struct mount_state state;
    struct error error;
    int fd = memfd_create("device", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size_bytes) != (ssize_t)size_bytes) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void)!mount_examine(path, type, &state, &error);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'p': fuzz_profile((const char *)data + 1, size - 1); break;
    case 'f': fuzz_fstab(data + 1, size - 1); break;
    case 'e': fuzz_journal("ext4", data + 1, size - 1); break;
    case 'x': fuzz_journal("xfs", data + 1, size - 1); break;
    case 'b': fuzz_journal("btrfs", data + 1, size - 1); break;
    default: break;
    }
    return 0;
}
