#include "repository/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mountinfo.h"
#include "lib/strings.h"

#define LOCK_WAIT_MS 250

/* --- whether locks are seen by all --- */

bool lock_reaches_all(const char *type, const char *options)
{
    /* Of these some take locks to their server and some do not, by version and option. */
    static const char *const doubtful[] = {"cifs", "smb3", "9p", "afs", "vboxsf", "vmhgfs", "lustre", "virtiofs", NULL};
    if (strcmp(type, "nfs") == 0 || strcmp(type, "nfs4") == 0) {
        return strstr(options, "local_lock=all") == NULL && strstr(options, "local_lock=flock") == NULL;
    }
    /* "fuse.sshfs" and its like; "fuseblk" is a disk of this machine */
    return strcmp(type, "fuse") != 0 && strncmp(type, "fuse.", 5) != 0 && !text_is_one_of(type, doubtful);
}

/* Of a file system that is not in the table nothing is known to be wrong. */
static int find_reach(const struct repository *repository, bool *reaches, struct error *error)
{
    struct mountinfo mounts;
    if (mountinfo_read(&mounts, error) != 0) {
        return -1;
    }
    const struct mountinfo_line *mount = mountinfo_of(&mounts, repository->folder_fd);
    *reaches = mount == NULL || lock_reaches_all(mount->type, mount->options);
    mountinfo_free(&mounts);
    return 0;
}

/* --- the lock --- */

static int remove_leftover(void *context, const char *name, struct error *error)
{
    const int *folder_fd = context;
    size_t length = strlen(name);
    size_t suffix = strlen(STORED_TEMPORARY_SUFFIX);
    (void)error;
    if (length > suffix && strcmp(name + length - suffix, STORED_TEMPORARY_SUFFIX) == 0) {
        (void)unlinkat(*folder_fd, name, 0); /* it does no harm if it stays */
    }
    return 0;
}

static int remove_leftovers(struct repository *repository, struct error *error)
{
    int *folders[] = {&repository->packs_folder.fd, &repository->snapshots_folder.fd, &repository->folder_fd};
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof folders / sizeof folders[0]; i++) {
        result = repository_each_file(*folders[i], false, remove_leftover, folders[i], error);
    }
    return result;
}

static int take_alone(struct repository *repository, bool reaches, struct error *error)
{
    if (!reaches && repository->mode != REPOSITORY_ALONE_ASSURED) {
        return error_set(error, CSN_REPOSITORY_UNLOCKED,
                         "%s lies on a file system that does not say whether other machines use it", repository->path);
    }
    if (flock(repository->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return remove_leftovers(repository, error);
    }
    return errno == EWOULDBLOCK
               ? error_set(error, CSN_BUSY, "somebody else has the repository %s open", repository->path)
               : error_system(error, CSN_IO, "locking the repository %s", repository->path);
}

/* Somebody who prunes or repairs has it alone, perhaps for hours. */
static int wait_shared(struct repository *repository)
{
    int result;
    while ((result = flock(repository->lock_fd, LOCK_SH | LOCK_NB)) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
        struct progress_state state = {.doing = "waiting for a prune or repair to end", .item = repository->path};
        progress_tell(repository->progress, &state);
        (void)poll(NULL, 0, LOCK_WAIT_MS);
    }
    return result;
}

/* A reader goes on without a lock: at worst something is gone under its hands, and it says so. A writer must not where others rely
 * on it. */
static int take_shared(struct repository *repository, bool must, struct error *error)
{
    if (must && flock(repository->lock_fd, LOCK_EX | LOCK_NB) == 0 && remove_leftovers(repository, error) != 0) {
        return -1;
    }
    if (wait_shared(repository) != 0) {
        if (must) {
            return error_system(error, CSN_IO, "locking the repository %s", repository->path);
        }
        file_drop(&repository->lock_fd);
    }
    return 0;
}

int lock_take(struct repository *repository, struct error *error)
{
    bool writes = repository->mode != REPOSITORY_READ;
    bool reaches = true;
    if (writes && find_reach(repository, &reaches, error) != 0) {
        return -1;
    }
    repository->lock_fd = openat(repository->folder_fd, REPOSITORY_LOCK,
                                 (writes ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (repository->lock_fd < 0) {
        return !writes           ? 0
               : errno == ENOSPC ? error_system(error, CSN_REPOSITORY_FULL, "opening the lock of %s", repository->path)
                                 : file_error(error, "opening the lock of", repository->path);
    }
    return repository_is_alone(repository) ? take_alone(repository, reaches, error)
                                           : take_shared(repository, writes && reaches, error);
}
