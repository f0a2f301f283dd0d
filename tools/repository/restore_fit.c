#include "repository/restore_fit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mountinfo.h"
#include "lib/strings.h"
#include "lib/text.h"

/* --- what file systems refuse --- */

struct fit_rules fit_rules_of(const char *type, const char *options)
{
    static const char *const linux_ones[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs",    "ramfs", "overlay",
                                             "f2fs", "jfs",  "zfs",  "nfs", "nfs4",  "bcachefs", NULL};
    static const char *const fat[] = {"vfat", "msdos", NULL};
    struct fit_rules rules = {.names = FIT_ASK, .file_size = UINT64_MAX};
    if (text_is_one_of(type, linux_ones)) {
        rules.names = FIT_ALL;
    } else if (text_is_one_of(type, fat) || strcmp(type, "exfat") == 0) {
        rules = (struct fit_rules){.names = FIT_CHARS, .folds_case = true, .plain_only = true};
        rules.file_size = text_is_one_of(type, fat) ? UINT32_MAX : UINT64_MAX;
    } else if (strcmp(type, "ntfs3") == 0 && strstr(options, "windows_names") != NULL) {
        rules.names = FIT_WINDOWS;
    }
    return rules;
}

/* CON, CON.txt, com1: names of devices for Windows, whatever follows a dot. */
static bool is_device_name(const char *name)
{
    static const char *const whole[] = {"con", "prn", "aux", "nul", NULL};
    size_t length = strcspn(name, ".");
    for (size_t i = 0; whole[i] != NULL; i++) {
        if (length == 3 && strncasecmp(name, whole[i], 3) == 0) {
            return true;
        }
    }
    return length == 4 && (strncasecmp(name, "com", 3) == 0 || strncasecmp(name, "lpt", 3) == 0) && name[3] >= '1' &&
           name[3] <= '9';
}

static const char *refuses_name(enum fit_names names, const char *name)
{
    size_t length = strlen(name);
    if (names == FIT_ALL) {
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < 0x20 || strchr("\"*:<>?\\|", name[i]) != NULL) {
            return (unsigned char)name[i] < 0x20 ? "there is a control character in its name"
                                                 : "there is one of \" * : < > ? \\ | in its name";
        }
    }
    if (length > 0 && (name[length - 1] == '.' || name[length - 1] == ' ')) {
        return "its name ends with a dot or a blank";
    }
    if (!utf8_is_valid(name, length)) {
        return "its name is not UTF-8";
    }
    return names != FIT_CHARS && is_device_name(name) ? "its name is one of a device (CON, NUL, COM1, ...)" : NULL;
}

/* --- where --- */

int restore_fit_open(struct restore_fit *fit, int fd, struct error *error)
{
    struct mountinfo mounts;
    struct statvfs disk;
    struct error unused; /* without /proc nothing is known of the file system, and it is asked */
    *fit = (struct restore_fit){.fd = fd};
    if (fstatvfs(fd, &disk) != 0) {
        return error_system(error, CSN_IO, "asking the target's file system");
    }
    const struct mountinfo_line *mount = mountinfo_read(&mounts, &unused) == 0 ? mountinfo_of(&mounts, fd) : NULL;
    snprintf(fit->type, sizeof fit->type, "%s", mount == NULL ? "" : mount->type);
    fit->rules = fit_rules_of(fit->type, mount == NULL ? "" : mount->options);
    mountinfo_free(&mounts);
    fit->name_size = disk.f_namemax == 0 ? NAME_MAX : disk.f_namemax; /* 0: it does not say */
    return 0;
}

void restore_fit_close(struct restore_fit *fit)
{
    buffer_free(&fit->skipped);
    buffer_free(&fit->checked);
    free(fit->seen);
    *fit = (struct restore_fit){.fd = -1};
}

bool restore_fit_is_all(const struct restore_fit *fit)
{
    return fit->rules.names == FIT_ALL && fit->name_size >= 255;
}

/* --- one entry --- */

/* What a try that failed says of the file system. A full, read-only, foreign or stumbling one says nothing. */
static bool is_refusal(void)
{
    return errno == EINVAL || errno == EILSEQ || errno == ENAMETOOLONG || errno == ENOENT || errno == EPERM ||
           errno == ENOSYS || errno == EOPNOTSUPP;
}

/* Whether a name is refused here: it is made, and goes again. */
static bool is_refused(const struct restore_fit *fit, const char *name)
{
    if (mkdirat(fit->fd, name, 0700) == 0) {
        (void)unlinkat(fit->fd, name, AT_REMOVEDIR);
        return false;
    }
    return is_refusal();
}

static bool make_hardlink(int dir_fd, const char *name)
{
    char first[64];
    snprintf(first, sizeof first, "%s-first", name);
    int fd = openat(dir_fd, first, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        errno = EROFS; /* says nothing of links */
        return false;
    }
    close(fd);
    bool made = linkat(dir_fd, first, dir_fd, name, 0) == 0;
    int why = errno;
    (void)unlinkat(dir_fd, first, 0);
    errno = why;
    return made;
}

/* The same of a kind of entry. A device needs rights besides: those are not this page's. */
static bool is_kind_refused(struct restore_fit *fit, enum fit_kind kind)
{
    static const mode_t modes[] = {[FIT_FIFO] = S_IFIFO | 0600, [FIT_SOCKET] = S_IFSOCK | 0600};
    char name[48];
    if (fit->asked[kind] || kind == FIT_DEVICE) {
        return fit->refused[kind];
    }
    snprintf(name, sizeof name, ".caisson-asks-%ld", (long)getpid());
    bool made = kind == FIT_LINK       ? symlinkat("x", fit->fd, name) == 0
                : kind == FIT_HARDLINK ? make_hardlink(fit->fd, name)
                                       : mknodat(fit->fd, name, modes[kind], 0) == 0;
    fit->asked[kind] = true;
    fit->refused[kind] = !made && is_refusal();
    if (made) {
        (void)unlinkat(fit->fd, name, 0);
    }
    return fit->refused[kind];
}

static uint64_t hash_folded(const char *place)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *place != '\0'; place++) {
        hash = (hash ^ (unsigned char)tolower((unsigned char)*place)) * 1099511628211u;
    }
    return hash == 0 ? 1 : hash;
}

static void put(uint64_t *seen, size_t room, uint64_t hash)
{
    size_t at = (size_t)hash & (room - 1);
    while (seen[at] != 0 && seen[at] != hash) {
        at = (at + 1) & (room - 1);
    }
    seen[at] = hash;
}

/* *is_new: no place before was the same but for its case. */
static int remember(struct restore_fit *fit, const char *place, bool *is_new, struct error *error)
{
    if (2 * fit->seen_count >= fit->seen_room) {
        size_t room = fit->seen_room == 0 ? 4096 : 2 * fit->seen_room;
        uint64_t *grown = calloc(room, sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu names", room);
        }
        for (size_t i = 0; i < fit->seen_room; i++) {
            if (fit->seen[i] != 0) {
                put(grown, room, fit->seen[i]);
            }
        }
        free(fit->seen);
        fit->seen = grown;
        fit->seen_room = room;
    }
    uint64_t hash = hash_folded(place);
    size_t at = (size_t)hash & (fit->seen_room - 1);
    while (fit->seen[at] != 0 && fit->seen[at] != hash) {
        at = (at + 1) & (fit->seen_room - 1);
    }
    *is_new = fit->seen[at] == 0;
    fit->seen[at] = hash;
    fit->seen_count += *is_new ? 1 : 0;
    return 0;
}

static const char *refuses_kind(struct restore_fit *fit, const struct snapshot_entry *entry)
{
    static const enum fit_kind kinds[] = {
        [TREE_LINK] = FIT_LINK,        [TREE_FIFO] = FIT_FIFO,    [TREE_SOCKET] = FIT_SOCKET,
        [TREE_CHARACTER] = FIT_DEVICE, [TREE_BLOCK] = FIT_DEVICE,
    };
    static const char *const whys[] = {
        [FIT_LINK] = "the file system has no symbolic links", [FIT_HARDLINK] = "the file system has no hard links",
        [FIT_FIFO] = "the file system has no pipes",          [FIT_SOCKET] = "the file system has no sockets",
        [FIT_DEVICE] = "the file system has no devices",
    };
    enum tree_type type = entry->tree.type;
    bool plain = type == TREE_FILE || type == TREE_FOLDER;
    if (!plain || entry->hardlink != NULL) {
        enum fit_kind kind = plain ? FIT_HARDLINK : kinds[type];
        bool refused = fit->rules.plain_only || (fit->rules.names == FIT_ASK && is_kind_refused(fit, kind));
        return refused ? whys[kind] : NULL;
    }
    return type == TREE_FILE && entry->tree.size_bytes > fit->rules.file_size ? "it is too large for the file system"
                                                                              : NULL;
}

static const char *check_name(struct restore_fit *fit, const char *name)
{
    const char *why = refuses_name(fit->rules.names, name);
    if (why != NULL && fit->rules.names == FIT_ASK && !is_refused(fit, name)) {
        why = NULL;
    }
    return why != NULL || strlen(name) <= fit->name_size ? why : "its name is too long for the file system";
}

static int set_text(struct buffer *buffer, const char *text, size_t length, struct error *error)
{
    buffer_clear(buffer);
    buffer_append(buffer, text, length);
    return buffer_check(buffer, error);
}

/* The folders above it: those above what is selected have no entries of their own. *why as restore_fit_check. */
static int check_above(struct restore_fit *fit, const char *place, size_t length, const char **why, struct error *error)
{
    char part[256];
    if (fit->checked.size == length && memcmp(buffer_text(&fit->checked), place, length) == 0) {
        return 0;
    }
    for (size_t at = 0; at < length;) {
        size_t size = strcspn(place + at, "/");
        snprintf(part, sizeof part, "%.*s", (int)size, place + at);
        *why = check_name(fit, part);
        if (*why != NULL) {
            return set_text(&fit->skipped, place, at + size, error);
        }
        at += size + 1;
    }
    return set_text(&fit->checked, place, length, error);
}

int restore_fit_check(struct restore_fit *fit, const struct snapshot_entry *entry, const char *place, const char **why,
                      struct error *error)
{
    const char *slash = strrchr(place, '/');
    bool is_new = true;
    *why = NULL;
    if (restore_fit_is_all(fit)) {
        return 0;
    }
    if (fit->skipped.size > 0 && path_is_inside(place, fit->skipped.data)) {
        *why = "it lies in a folder that cannot be made";
        return 0;
    }
    if (slash != NULL && check_above(fit, place, (size_t)(slash - place), why, error) != 0) {
        return -1;
    }
    if (*why != NULL) {
        return 0;
    }
    *why = check_name(fit, slash == NULL ? place : slash + 1);
    if (*why == NULL) {
        *why = refuses_kind(fit, entry);
    }
    if (*why == NULL && fit->rules.folds_case) {
        if (remember(fit, place, &is_new, error) != 0) {
            return -1;
        }
        *why = is_new ? NULL : "another name differs from it in case only";
    }
    return *why != NULL && entry->tree.type == TREE_FOLDER ? set_text(&fit->skipped, place, strlen(place), error) : 0;
}
