/* Who has a repository open, and what happens where a lock has not held. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repository/lock.h"
#include "repository/vault.h"

static void knows_where_locks_reach_all(void **state)
{
    static const struct {
        const char *type;
        const char *options;
        bool reaches;
    } lines[] = {
        {"ext4", "rw", true},
        {"vfat", "rw,codepage=437", true},
        {"fuseblk", "rw,user_id=0", true}, /* ntfs-3g */
        {"nfs4", "rw,vers=4.2,local_lock=none,addr=10.0.0.1", true},
        {"nfs", "rw,vers=3,nolock,local_lock=all,addr=10.0.0.1", false},
        {"nfs4", "rw,vers=4.2,local_lock=flock", false},
        {"nfs4", "rw,vers=4.2,local_lock=posix", true}, /* those are others' */
        {"cifs", "rw,vers=3.1.1", false},
        {"fuse.sshfs", "rw", false},
        {"fuse", "rw", false},
        {"9p", "rw,trans=virtio", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lock_reaches_all(lines[i].type, lines[i].options) != lines[i].reaches) {
            fail_msg("%s %s", lines[i].type, lines[i].options);
        }
    }
}

static void alone_is_alone(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char path[600];
    vault_init(fixture);
    snprintf(path, sizeof path, "%s/vault", fixture->path);
    struct repository *reader = vault_open(fixture, REPOSITORY_READ);
    assert_null(repository_open(path, REPOSITORY_ALONE, NULL, &error));
    assert_int_equal(error.code, CSN_BUSY);
    assert_null(repository_open(path, REPOSITORY_ALONE_ASSURED, NULL, &error)); /* of this machine's it is known */
    assert_int_equal(error.code, CSN_BUSY);
    repository_close(reader);
    repository_close(vault_open(fixture, REPOSITORY_ALONE));
}

static void a_writer_leaves_others_files(void **state)
{
    const struct fixture *fixture = *state;
    vault_init(fixture);
    struct repository *first = vault_open(fixture, REPOSITORY_WRITE);
    fixture_file(fixture->fd, "vault/packs/x.tmp", "at work", 0600);
    repository_close(vault_open(fixture, REPOSITORY_WRITE));
    assert_int_equal(faccessat(fixture->fd, "vault/packs/x.tmp", F_OK, 0), 0);
    repository_close(first);
    repository_close(vault_open(fixture, REPOSITORY_WRITE));
    assert_int_not_equal(faccessat(fixture->fd, "vault/packs/x.tmp", F_OK, 0), 0);
}

/* As if another machine, whose lock this one does not see, had pruned meanwhile. */
static void no_snapshot_leans_on_what_is_gone(void **state)
{
    const struct fixture *fixture = *state;
    const struct repository_backup_options options = {.host = "test"};
    struct repository_backup_summary summary;
    struct error error;
    char pack[512];
    vault_init(fixture);
    fixture_folder(fixture->fd, "tree", 0755);
    fixture_file(fixture->fd, "tree/one", "one\n", 0644);
    vault_backup(fixture, &summary);
    repository_backup_summary_free(&summary);
    struct repository *writer = vault_open(fixture, REPOSITORY_WRITE);
    assert_int_equal(vault_files(fixture, "vault/packs", ".zst", pack), 1);
    assert_int_equal(unlinkat(fixture->fd, pack, 0), 0);
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    assert_int_equal(repository_backup(writer, &source, 1, &options, NULL, &summary, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_PRUNED);
    repository_backup_summary_free(&summary);
    repository_close(writer);
    assert_int_equal(vault_files(fixture, "vault/snapshots", ".zst", NULL), 1);
    vault_backup(fixture, &summary); /* the next one stores it again */
    assert_int_equal(summary.chunks_new, 1);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NONE);
    repository_backup_summary_free(&summary);
}

/* From here on no lock can be had, as from an NFS server whose lock service is down. */
static bool deny_locks(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void no_writer_goes_on_without_its_lock(void **state)
{
    const struct fixture *fixture = *state;
    vault_init(fixture);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct error error;
        char path[600];
        snprintf(path, sizeof path, "%s/vault", fixture->path);
        bool refused = deny_locks() && repository_open(path, REPOSITORY_WRITE, NULL, &error) == NULL &&
                       error.code == CSN_IO && strstr(error.message, "locking") != NULL;
        struct repository *reader = repository_open(path, REPOSITORY_READ, NULL, &error);
        bool read = reader != NULL;
        repository_close(reader);
        _exit(refused && read ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

struct latecomer {
    const struct fixture *fixture;
    const char *name;
};

static void come_late(void *context, const struct repository_snapshot *snapshot, const char *why)
{
    const struct latecomer *latecomer = context;
    char from[64];
    char to[160];
    (void)snapshot;
    (void)why;
    snprintf(from, sizeof from, "late");
    snprintf(to, sizeof to, "%s", latecomer->name);
    (void)renameat(latecomer->fixture->fd, from, latecomer->fixture->fd, to);
}

/* As if another machine, whose lock this one does not see, had backed up meanwhile. */
static void nothing_is_pruned_when_a_snapshot_comes_meanwhile(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct repository_prune_summary pruned;
    struct error error;
    char name[512];
    vault_init(fixture);
    fixture_folder(fixture->fd, "tree", 0755);
    fixture_file(fixture->fd, "tree/one", "one\n", 0644);
    vault_backup(fixture, &summary);
    repository_backup_summary_free(&summary);
    assert_int_equal(vault_files(fixture, "vault/snapshots", ".zst", name), 1);
    assert_int_equal(renameat(fixture->fd, name, fixture->fd, "late"), 0);
    for (int i = 0; i < 2; i++) {
        fixture_unlink(fixture->fd, "tree/one");
        fixture_file(fixture->fd, "tree/one", i == 0 ? "two\n" : "three\n", 0644);
        vault_backup(fixture, &summary);
        repository_backup_summary_free(&summary);
    }
    struct latecomer latecomer = {.fixture = fixture, .name = name};
    const struct repository_prune_options options = {.keep_last = 1, .decided = come_late, .context = &latecomer};
    struct repository *repository = vault_open(fixture, REPOSITORY_ALONE);
    assert_int_equal(repository_prune(repository, &options, NULL, &pruned, &error), -1);
    assert_int_equal(error.code, CSN_BUSY);
    repository_close(repository);
    assert_int_equal(vault_files(fixture, "vault/snapshots", ".zst", NULL), 3);
    uint64_t damages = 1;
    free(vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages));
    assert_int_equal(damages, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_where_locks_reach_all),
        cmocka_unit_test_setup_teardown(alone_is_alone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_writer_leaves_others_files, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(no_snapshot_leans_on_what_is_gone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(no_writer_goes_on_without_its_lock, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_pruned_when_a_snapshot_comes_meanwhile, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
