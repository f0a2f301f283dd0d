/*
 * check_at_rest.c - nobody uses what is to be upgraded: a server that runs is never looked at as if it were a disk.
 */
#include "assess/looking.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "lib/root.h"

/* `root-folder = /`, or a link or a bind mount of it. */
static bool is_own_root(const struct target *target)
{
    struct stat own;
    struct stat there;
    return stat("/", &own) == 0 && fstat(target->root_fd, &there) == 0 && own.st_dev == there.st_dev &&
           own.st_ino == there.st_ino;
}

/* A process of the pid in postmaster.pid that has its data folder as working folder, as every postgres has: a pid file that was
 * left after a power cut may name somebody else's process by now. Where that cannot be read, it counts. */
static bool is_live(const struct target *target, const struct cluster *cluster)
{
    char path[64];
    struct stat working;
    struct stat data;
    if (!cluster->has_pid_file || cluster->pid <= 1 || (kill((pid_t)cluster->pid, 0) != 0 && errno == ESRCH)) {
        return false;
    }
    snprintf(path, sizeof path, "/proc/%ld/cwd", cluster->pid);
    return stat(path, &working) != 0 || root_lstat(target->root_fd, cluster->data_path, &data) != 0 ||
           (working.st_dev == data.st_dev && working.st_ino == data.st_ino);
}

int check_at_rest(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    if (is_own_root(subject->target)) {
        return look_add(looking, FINDING_BLOCKER, CSN_DATABASE_RUNNING, error,
                        "the server's root is the one that this machine itself runs on; boot the image instead");
    }
    if (subject->cluster != NULL && is_live(subject->target, subject->cluster)) {
        return look_add(looking, FINDING_BLOCKER, CSN_DATABASE_RUNNING, error,
                        "the database in %s is running, as process %ld", subject->cluster->data_path,
                        subject->cluster->pid);
    }
    return 0;
}
