/*
 * check_space.c - room on each file system of the server for what is made beside, and on the backup disk, the stick and in memory; and
 * what it costs where the database is upgraded in place for want of it.
 */
#include "assess/looking.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "database/clone.h"
#include "lib/file.h"
#include "lib/root.h"

#define MEBIBYTE ((uint64_t)1 << 20)
#define BLOCK_BYTES 4096
#define EVIDENCE_BYTES (16 * MEBIBYTE) /* two journals and the report, with its next version beside it */
#define RESERVE_BYTES (16 * MEBIBYTE)  /* on each file system that something is made on */
#define RESERVE_NAMES 256
#define ROOMS 80 /* more folders than a cluster may have elsewhere (step_stage.c), and the few others */

/* What ext4 keeps for root is ours, too, where nobody else writes: a database's own user cannot use it. Others keep nothing, or count
 * as free what they need for themselves (btrfs). */
static uint64_t free_bytes(const struct statfs *status, bool only_root)
{
    bool all = only_root && status->f_type == EXT4_SUPER_MAGIC;
    return (uint64_t)(all ? status->f_bfree : status->f_bavail) * (uint64_t)status->f_frsize;
}

static int lack(struct looking *looking, const char *where, uint64_t needed, uint64_t available,
                enum finding_severity severity, struct error *error)
{
    unsigned long long needed_mb = needed / MEBIBYTE + 1;
    unsigned long long available_mb = available / MEBIBYTE;
    return look_add(looking, severity, CSN_ASSESS_SPACE, error, "%s: %llu MB are needed, %llu MB are free", where,
                    needed_mb, available_mb);
}

/* --- the server ---------------------------------------------------------------------------------------------------- */

struct need {
    uint64_t bytes;
    uint64_t names; /* each takes an inode */
};

/* What is to be made on one file system, and what is free there. */
struct room {
    uint64_t identity;
    const char *path; /* the first on it, for the message; not owned */
    struct need need;
    struct statfs free;
    bool only_root; /* writes there, no database */
};

struct rooms {
    struct room items[ROOMS];
    size_t count;
};

/* Each subvolume of a btrfs has a device number of its own, and a statfs identity; the file system has one. (The types of ioctl differ
 * between C libraries.) */
static uint64_t identity_of(int fd, const struct stat *status)
{
    struct btrfs_ioctl_fs_info_args info = {0};
    uint64_t halves[2];
    if (syscall(SYS_ioctl, fd, BTRFS_IOC_FS_INFO, &info) != 0) {
        return status->st_dev;
    }
    memcpy(halves, info.fsid, sizeof halves);
    return halves[0] ^ halves[1];
}

/* The room on that file system; NULL: it is not known yet, and all places are taken. */
static struct room *room_of(struct rooms *rooms, uint64_t identity, const char *path)
{
    for (size_t i = 0; i < rooms->count; i++) {
        if (rooms->items[i].identity == identity) {
            return &rooms->items[i];
        }
    }
    if (rooms->count == ROOMS) {
        return NULL;
    }
    rooms->items[rooms->count] = (struct room){identity, path, {RESERVE_BYTES, RESERVE_NAMES}, {0}, true};
    return &rooms->items[rooms->count++];
}

/* So much more is made beside the folder at path, of which only_root writes. */
static int add_need(struct rooms *rooms, int root_fd, const char *path, struct need need, bool only_root,
                    struct error *error)
{
    struct stat status;
    struct statfs free;
    int fd = root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &status) != 0 || fstatfs(fd, &free) != 0) {
        file_drop(&fd);
        return error_system(error, CSN_IO, "asking about %s", path);
    }
    struct room *room = room_of(rooms, identity_of(fd, &status), path);
    file_drop(&fd);
    if (room == NULL) {
        return error_set(error, CSN_TARGET_PROFILE, "the server has more than %d file systems", ROOMS);
    }
    room->free = free;
    room->only_root = room->only_root && only_root;
    room->need.bytes += need.bytes;
    room->need.names += need.names;
    return 0;
}

static bool has_room(const struct room *room)
{
    return room->need.bytes <= free_bytes(&room->free, room->only_root) &&
           (room->free.f_files == 0 || room->need.names <= room->free.f_ffree);
}

static int check_room(struct looking *looking, const struct room *room, struct error *error)
{
    uint64_t available = free_bytes(&room->free, room->only_root);
    if (room->need.bytes > available) {
        return lack(looking, room->path, room->need.bytes, available, FINDING_BLOCKER, error);
    }
    /* A file system that makes inodes as it needs them (btrfs) tells 0 of them. */
    return room->free.f_files == 0 || room->need.names <= room->free.f_ffree
               ? 0
               : look_add(looking, FINDING_BLOCKER, CSN_ASSESS_SPACE, error,
                          "%s: %llu inodes are needed for new files, %llu are free", room->path,
                          (unsigned long long)room->need.names, (unsigned long long)room->free.f_ffree);
}

/* What the site carries over, beyond what it replaces in the vendor's tree. */
static void add_carried(const struct tree_merge *merge, struct need *need)
{
    for (size_t i = 0; i < merge->count; i++) {
        const struct tree_merge_item *item = &merge->items[i];
        bool carried = item->content == TREE_CHANGE_KEPT || item->content == TREE_CHANGE_SITE_CHANGED ||
                       item->content == TREE_CHANGE_CONFLICT;
        if (!carried || item->site == NULL) {
            continue;
        }
        uint64_t replaced = item->after == NULL ? 0 : item->after->size_bytes;
        need->bytes += item->site->size_bytes > replaced ? item->site->size_bytes - replaced : 0;
        need->bytes += item->after == NULL ? BLOCK_BYTES : 0;
        need->names += item->after == NULL;
    }
}

/* Each name also takes a part of a block. */
static struct need new_tree_need(const struct assess_subject *subject, const struct assessment *assessment)
{
    struct need need = {tree_manifest_size_bytes(&assessment->vendor_after), assessment->vendor_after.count};
    need.bytes += need.names * BLOCK_BYTES;
    add_carried(&assessment->merge, &need);
    for (size_t i = 0; i < subject->hop_count; i++) {
        need.bytes += subject->hops[i]->requirements.disk_mb * MEBIBYTE;
    }
    return need;
}

/* Things on one file system share what is free there: the new tree, the clone's folders, the fence, the journal. Without the clone the
 * database still writes where it lies. */
static int add_server_needs(const struct assess_subject *subject, struct need tree, const struct clone_plan *plan,
                            bool with_clone, struct rooms *rooms, struct error *error)
{
    static const char *const ours[] = {"/etc", "/var/lib/caisson", "/var/lib", "/var"};
    int root_fd = subject->target->root_fd;
    *rooms = (struct rooms){.count = 0};
    int result = add_need(rooms, root_fd, subject->target->installation.program_root, tree, true, error);
    for (size_t i = 0; result == 0 && i < plan->pair_count; i++) {
        const struct clone_pair *pair = &plan->pairs[i];
        struct need clone = {with_clone ? pair->size_bytes : 0, with_clone ? pair->item_count : 0};
        result = add_need(rooms, root_fd, pair->original, clone, false, error);
    }
    for (size_t i = 0; result == 0 && i < sizeof ours / sizeof ours[0]; i++) {
        result = root_exists(root_fd, ours[i]) ? add_need(rooms, root_fd, ours[i], (struct need){0}, true, error) : 0;
    }
    return result;
}

static bool all_have_room(const struct rooms *rooms)
{
    bool room = true;
    for (size_t i = 0; i < rooms->count; i++) {
        room = room && has_room(&rooms->items[i]);
    }
    return room;
}

static int check_server_space(struct looking *looking, struct need tree, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct clone_plan plan = {0};
    struct rooms rooms = {.count = 0};
    int result =
        subject->cluster == NULL ? 0 : clone_plan(subject->target->root_fd, subject->cluster, "new", &plan, error);
    bool in_place = plan.pair_count > 0 && subject->in_place_always;
    for (size_t i = 0; result == 0 && i < plan.pair_count; i++) {
        looking->assessment->cluster_bytes += plan.pairs[i].size_bytes;
    }
    if (result == 0) {
        result = add_server_needs(subject, tree, &plan, !in_place, &rooms, error);
    }
    if (result == 0 && plan.pair_count > 0 && subject->in_place_if_needed && !in_place && !all_have_room(&rooms)) {
        in_place = true;
        result = add_server_needs(subject, tree, &plan, false, &rooms, error);
    }
    looking->assessment->in_place = in_place;
    for (size_t i = 0; result == 0 && i < rooms.count; i++) {
        result = check_room(looking, &rooms.items[i], error);
    }
    clone_plan_free(&plan);
    return result;
}

/* --- elsewhere ----------------------------------------------------------------------------------------------------- */

static int check_folder_space(struct looking *looking, const char *folder, bool only_root, const char *what,
                              uint64_t blocked_below, uint64_t wanted, struct error *error)
{
    struct statfs status;
    uint64_t available = statfs(folder, &status) == 0 ? free_bytes(&status, only_root) : 0;
    if (available < blocked_below) {
        return lack(looking, what, blocked_below, available, FINDING_BLOCKER, error);
    }
    return available < wanted ? lack(looking, what, wanted, available, FINDING_WARNING, error) : 0;
}

int check_space(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct assessment *assessment = looking->assessment;
    struct need tree = new_tree_need(subject, assessment);
    if (check_server_space(looking, tree, error) != 0) {
        return -1;
    }
    uint64_t data = assessment->program_bytes + assessment->cluster_bytes + assessment->attachment_bytes;
    /* The proof restores everything; the rehearsal needs the new tree and a clone. They follow one another. */
    uint64_t rehearsal = tree.bytes + assessment->cluster_bytes;
    uint64_t proof = data + subject->boot_bytes;
    uint64_t scratch = (proof > rehearsal ? proof : rehearsal) + 64 * MEBIBYTE;
    uint64_t backup = subject->boot_bytes + (subject->scratch_path != NULL ? scratch : 0);
    /* How much data shrink in the repository is not known before: a quarter is the least that is ever needed in practice. */
    if (subject->backup_path != NULL &&
        check_folder_space(looking, subject->backup_path, subject->scratch_path == NULL, "the backup disk",
                           backup + data / 4, backup + data, error) != 0) {
        return -1;
    }
    if (subject->evidence_path != NULL &&
        check_folder_space(looking, subject->evidence_path, true, "the stick, for journal and report", EVIDENCE_BYTES,
                           EVIDENCE_BYTES, error) != 0) {
        return -1;
    }
    struct sysinfo machine;
    if (subject->scratch_path == NULL && sysinfo(&machine) == 0) {
        uint64_t memory = (uint64_t)machine.totalram * machine.mem_unit / 2;
        if (memory < scratch) {
            return lack(looking, "memory for the proof and the rehearsal (half of what there is)", scratch, memory,
                        FINDING_BLOCKER, error);
        }
    }
    return 0;
}

int check_in_place(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    unsigned long long cluster_mb = looking->assessment->cluster_bytes / MEBIBYTE + 1;
    if (!looking->assessment->in_place) {
        return 0;
    }
    /* The switch moves what lies there to another place, where nothing would bring it back. */
    for (size_t i = 0; i < subject->cluster->folder_count; i++) {
        if (path_is_inside(subject->cluster->folders[i].target, subject->target->installation.program_root)) {
            return look_add(looking, FINDING_BLOCKER, CSN_ASSESS_BLOCKED, error,
                            "the database's folder %s lies in the program tree: it cannot be upgraded in place",
                            subject->cluster->folders[i].target);
        }
    }
    return look_add(
        looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
        "the database is upgraded in place: the old one is not kept beside the new, and going back, also of itself "
        "after a failure, takes as long as restoring %llu MB from the backup disk, which must be at hand; the "
        "rehearsal measures it",
        cluster_mb);
}
