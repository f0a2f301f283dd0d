#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repository/pack.h"
#include "repository/vault.h"

#define FILES 120
#define FILE_BYTES ((size_t)1 << 20)

/* Noise for more than one pack. */
static void make_noise(const struct fixture *fixture, unsigned files)
{
    uint8_t *noise = malloc(FILE_BYTES);
    char name[32];
    assert_non_null(noise);
    fixture_folder(fixture->fd, "tree", 0755);
    for (unsigned i = 0; i < files; i++) {
        snprintf(name, sizeof name, "tree/%03u", i);
        vault_noise(noise, FILE_BYTES, i);
        fixture_bytes(fixture->fd, name, noise, FILE_BYTES, 0644);
    }
    free(noise);
}

static void assert_sound(const struct fixture *fixture, uint32_t share_ppm)
{
    uint64_t damages = 0;
    char *said = vault_verify(fixture, share_ppm, &damages);
    if (damages != 0) {
        fail_msg("%s", said);
    }
    free(said);
}

struct killing {
    const struct fixture *fixture;
    uint64_t items;
};

/* Late enough that the first pack is full; then when it is there: a thread of its own makes it durable. */
static void kill_at(void *context, const struct progress_state *state)
{
    const struct killing *killing = context;
    if (state->done_items >= killing->items) {
        while (vault_files(killing->fixture, "vault/packs", ".zst", NULL) == 0) {
            usleep(1000);
        }
        raise(SIGKILL);
    }
}

/* A backup in a process of its own. Returns its pid. */
static pid_t start_backup(const struct fixture *fixture, uint64_t kill_after_items)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) {
        return child;
    }
    char path[512];
    struct error error;
    struct repository_backup_summary summary;
    struct killing killing = {.fixture = fixture, .items = kill_after_items};
    const struct progress progress = {.tell = kill_at, .context = &killing};
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    const struct repository_backup_options options = {.host = "server"};
    snprintf(path, sizeof path, "%s/vault", fixture->path);
    struct repository *repository = repository_open(path, REPOSITORY_WRITE, NULL, &error);
    if (repository == NULL || repository_backup(repository, &source, 1, &options, &progress, &summary, &error) != 0) {
        print_message("%s\n", error.message);
        _exit(1);
    }
    _exit(0);
}

static int end_of(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_killed_backup_leaves_whole_packs_and_no_harm(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_noise(fixture, FILES);
    int status = end_of(start_backup(fixture, FILES - 5));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(vault_files(fixture, "vault/packs", ".zst", NULL), 1);
    assert_true(vault_files(fixture, "vault/packs", STORED_TEMPORARY_SUFFIX, NULL) +
                    vault_files(fixture, "vault/snapshots", STORED_TEMPORARY_SUFFIX, NULL) >
                0);
    assert_int_equal(vault_files(fixture, "vault/snapshots", ".zst", NULL), 0);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    vault_backup(fixture, &summary);
    assert_int_equal(vault_files(fixture, "vault", STORED_TEMPORARY_SUFFIX, NULL), 0);
    /* What was in the whole pack is not stored again. */
    assert_true(summary.chunks_new < summary.chunks / 3 * 2);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    repository_backup_summary_free(&summary);
}

static void killed_at_any_moment_it_opens_again(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct error error;
    vault_init(fixture);
    make_noise(fixture, 3);
    vault_backup(fixture, &summary);
    assert_int_equal(renameat(fixture->fd, "tree", fixture->fd, "small"), 0);
    make_noise(fixture, FILES);
    unsigned killed = 0;
    for (unsigned round = 0, delay = 3000; round < 14;
         round++, delay += delay / 2) { /* up to 0.6 s, for any machine's pace */
        pid_t child = start_backup(fixture, UINT64_MAX);
        usleep(delay);
        kill(child, SIGKILL);
        killed += WIFSIGNALED(end_of(child)) ? 1 : 0;
        assert_sound(fixture, REPOSITORY_VERIFY_STRUCTURE);
    }
    assert_true(killed > 0);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    assert_int_equal(renameat(fixture->fd, "tree", fixture->fd, "large"), 0);
    assert_int_equal(renameat(fixture->fd, "small", fixture->fd, "tree"), 0);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NONE);
    vault_assert_back(fixture);
    repository_backup_summary_free(&summary);
}

static void a_full_disk_ends_well(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char path[512];
    struct repository_backup_summary summary;
    if (!fixture_tmpfs(fixture, "vault", 3 << 20)) {
        skip();
    }
    vault_init(fixture);
    make_noise(fixture, 1);
    vault_backup(fixture, &summary);
    assert_int_equal(renameat(fixture->fd, "tree", fixture->fd, "small"), 0);
    make_noise(fixture, 8);
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    const struct repository_backup_options options = {.host = "server"};
    struct repository_backup_summary none;
    snprintf(path, sizeof path, "%s/vault", fixture->path);
    struct repository *repository = repository_open(path, REPOSITORY_WRITE, NULL, &error);
    assert_non_null(repository);
    assert_int_equal(repository_backup(repository, &source, 1, &options, NULL, &none, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_FULL);
    repository_backup_summary_free(&none);
    /* The index in memory names chunks that were never written: this handle writes no more. */
    assert_int_equal(repository_backup(repository, &source, 1, &options, NULL, &none, &error), -1);
    repository_backup_summary_free(&none);
    repository_close(repository);
    assert_int_equal(vault_files(fixture, "vault", STORED_TEMPORARY_SUFFIX, NULL), 0);
    assert_int_equal(vault_files(fixture, "vault/snapshots", "", NULL), 1);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    assert_int_equal(renameat(fixture->fd, "tree", fixture->fd, "large"), 0);
    assert_int_equal(renameat(fixture->fd, "small", fixture->fd, "tree"), 0);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NONE);
    vault_assert_back(fixture);
    repository_backup_summary_free(&summary);
    fixture_unmount(fixture, "vault");
}

static void a_full_disk_stops_a_restore(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_noise(fixture, 4);
    vault_backup(fixture, &summary);
    if (!fixture_tmpfs(fixture, "back", 2 << 20)) {
        skip();
    }
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NO_SPACE);
    repository_backup_summary_free(&summary);
    fixture_unmount(fixture, "back");
}

static void two_writers_do_not_disturb_one_another(void **state)
{
    const struct fixture *fixture = *state;
    vault_init(fixture);
    make_noise(fixture, 30);
    pid_t one = start_backup(fixture, UINT64_MAX);
    pid_t two = start_backup(fixture, UINT64_MAX);
    assert_int_equal(end_of(one), 0);
    assert_int_equal(end_of(two), 0);
    assert_int_equal(vault_files(fixture, "vault/snapshots", ".zst", NULL), 2);
    assert_int_equal(vault_files(fixture, "vault", STORED_TEMPORARY_SUFFIX, NULL), 0);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
}

static void a_writer_does_not_sweep_up_after_one_at_work(void **state)
{
    const struct fixture *fixture = *state;
    vault_init(fixture);
    struct repository *first = vault_open(fixture, REPOSITORY_WRITE);
    fixture_file(fixture->fd, "vault/packs/1234.tmp", "of the first", 0600);
    struct repository *second = vault_open(fixture, REPOSITORY_WRITE);
    assert_true(fixture_exists(fixture->fd, "vault/packs/1234.tmp"));
    repository_close(second);
    repository_close(first);
    struct repository *reader = vault_open(fixture, REPOSITORY_READ);
    assert_true(fixture_exists(fixture->fd, "vault/packs/1234.tmp"));
    repository_close(reader);
    repository_close(vault_open(fixture, REPOSITORY_WRITE));
    assert_false(fixture_exists(fixture->fd, "vault/packs/1234.tmp"));
}

/* A reader that opened before a writer finished finds the new packs. */
static void a_reader_sees_what_was_added_since(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct repository_restore_summary restored;
    struct repository_verification sums;
    vault_init(fixture);
    make_noise(fixture, 2);
    struct repository *reader = vault_open(fixture, REPOSITORY_READ);
    vault_backup(fixture, &summary);
    fixture_folder(fixture->fd, "back", 0755);
    const struct repository_selection selection = {.root_fd = fixture->fd, .strip = "/opt/tree", .place = "back"};
    assert_int_equal(repository_restore(reader, summary.id, &selection, NULL, &restored, &error), 0);
    vault_assert_back(fixture);
    assert_int_equal(repository_verify(reader, REPOSITORY_VERIFY_ALL, NULL, NULL, NULL, &sums, &error), 0);
    assert_int_equal(sums.damages, 0);
    assert_int_equal(sums.snapshots, 1);
    repository_close(reader);
    repository_backup_summary_free(&summary);
}

/* --- a server that is running --- */

static void make_long(const struct fixture *fixture, const char *path)
{
    static uint8_t bytes[1024 * 1024];
    int fd = openat(fixture->fd, path, O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 64; i++) {
        memset(bytes, i + 1, sizeof bytes);
        assert_int_equal(pwrite(fd, bytes, sizeof bytes, (off_t)i * (off_t)sizeof bytes), sizeof bytes);
    }
    close(fd);
}

static void a_file_that_changes_is_named(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_noise(fixture, 5);
    make_long(fixture, "tree/002"); /* so that the writer has its turns on a busy machine, too */
    fflush(NULL);
    pid_t writer = fork();
    if (writer == 0) {
        int fd = openat(fixture->fd, "tree/002", O_WRONLY | O_CLOEXEC);
        for (;;) {
            if (pwrite(fd, "x", 1, 1000) != 1) {
                _exit(1);
            }
        }
    }
    assert_true(writer > 0);
    usleep(50000);
    vault_backup(fixture, &summary);
    kill(writer, SIGKILL);
    end_of(writer);
    assert_int_equal(summary.changed.count, 1);
    assert_string_equal(summary.changed.items[0], "/opt/tree/002");
    struct repository_snapshots snapshots;
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    assert_int_equal(repository_list(repository, &snapshots, &error), 0);
    assert_int_equal(snapshots.items[0].changed, 1);
    repository_snapshots_free(&snapshots);
    repository_close(repository);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    repository_backup_summary_free(&summary);
}

struct meddler {
    const struct fixture *fixture;
    unsigned done;
};

static void meddle(void *context, const struct progress_state *state)
{
    struct meddler *meddler = context;
    int fd = meddler->fixture->fd;
    if (strcmp(state->item, "opt/tree/000") == 0 && meddler->done == 0) {
        fixture_unlink(fd, "tree/001");
        meddler->done++;
    } else if (strcmp(state->item, "opt/tree/002") == 0 && meddler->done == 1) {
        fixture_file(fd, "other", "another file now", 0600);
        assert_int_equal(renameat(fd, "other", fd, "tree/002"), 0);
        meddler->done++;
    } else if (strcmp(state->item, "opt/tree/003") == 0 && meddler->done == 2) {
        fixture_unlink(fd, "tree/003");
        fixture_link(fd, "tree/003", "/etc/passwd");
        meddler->done++;
    }
}

static void files_that_vanish_or_turn_are_no_error(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct meddler meddler = {.fixture = fixture};
    const struct progress progress = {.tell = meddle, .context = &meddler};
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    const struct repository_backup_options options = {.host = "server"};
    vault_init(fixture);
    make_noise(fixture, 5);
    struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
    assert_int_equal(repository_backup(repository, &source, 1, &options, &progress, &summary, &error), 0);
    repository_close(repository);
    assert_int_equal(meddler.done, 3);
    assert_int_equal(summary.vanished, 2);
    assert_int_equal(summary.changed.count, 0);
    assert_int_equal(summary.files, 3);
    assert_int_equal(summary.bytes, 2 * FILE_BYTES + strlen("another file now"));
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    repository_backup_summary_free(&summary);
}

static void swap_one_name(void *context, const struct progress_state *state)
{
    struct meddler *meddler = context;
    int fd = meddler->fixture->fd;
    if (strcmp(state->item, "opt/tree/000") == 0 && meddler->done == 0) {
        fixture_unlink(fd, "tree/000"); /* once its names were listed */
        meddler->done++;
    } else if (strcmp(state->item, "opt/tree/001") == 0 && meddler->done == 1) {
        fixture_file(fd, "other", "another file now", 0600);
        assert_int_equal(renameat(fd, "other", fd, "tree/001"), 0);
        meddler->done++;
    }
}

/* What a name lost that went away or became another file is still there under the other names, and is theirs. */
static void a_lost_name_takes_no_other_along(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct meddler meddler = {.fixture = fixture};
    const struct progress progress = {.tell = swap_one_name, .context = &meddler};
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    const struct repository_backup_options options = {.host = "server"};
    vault_init(fixture);
    make_noise(fixture, 2);
    fixture_hardlink(fixture->fd, "tree/000", "tree/a");
    fixture_hardlink(fixture->fd, "tree/000", "tree/b");
    fixture_hardlink(fixture->fd, "tree/001", "tree/c");
    fixture_hardlink(fixture->fd, "tree/001", "tree/d");
    struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
    assert_int_equal(repository_backup(repository, &source, 1, &options, &progress, &summary, &error), 0);
    repository_close(repository);
    assert_int_equal(meddler.done, 2);
    assert_int_equal(summary.vanished, 1);
    assert_int_equal(summary.bytes, 2 * FILE_BYTES + strlen("another file now"));
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    fixture_time(fixture->fd, "tree", 1600000000, 0);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NONE);
    fixture_time(fixture->fd, "back", 1600000000, 0); /* the folder's own time is from before the swap */
    vault_assert_back(fixture);
    repository_backup_summary_free(&summary);
}

static void swap_forever(int dir_fd)
{
    for (;;) {
        if (syscall(SYS_renameat2, dir_fd, "tree/b", dir_fd, "fifo", RENAME_EXCHANGE) != 0) {
            _exit(1);
        }
    }
}

/* Whenever a name becomes something else while it is read, the snapshot is whole. */
static void a_name_that_turns_all_the_time_does_no_harm(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    vault_init(fixture);
    fixture_folder(fixture->fd, "tree", 0755);
    fixture_file(fixture->fd, "tree/a", "a", 0600);
    fixture_file(fixture->fd, "tree/b", "b", 0600);
    assert_int_equal(mkfifoat(fixture->fd, "fifo", 0600), 0);
    fflush(NULL);
    pid_t swapper = fork();
    if (swapper == 0) {
        swap_forever(fixture->fd);
    }
    assert_true(swapper > 0);
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    const struct repository_backup_options options = {.host = "server", .reread = true};
    for (int i = 0; i < 60; i++) {
        struct repository_backup_summary summary;
        struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
        assert_int_equal(repository_backup(repository, &source, 1, &options, NULL, &summary, &error), 0);
        repository_close(repository);
        repository_backup_summary_free(&summary);
    }
    kill(swapper, SIGKILL);
    assert_int_equal(end_of(swapper), SIGKILL);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
}

/* Gives the number of a removed file's inode to another file, where the file system does that. */
static void take_number_over(void *context, const struct progress_state *state)
{
    struct meddler *meddler = context;
    int fd = meddler->fixture->fd;
    struct stat old;
    struct stat status = {0};
    if (strcmp(state->item, "opt/tree/b") != 0 || meddler->done > 0) {
        return;
    }
    assert_int_equal(fstatat(fd, "tree/a", &old, 0), 0);
    fixture_unlink(fd, "tree/a");
    fixture_unlink(fd, "tree/y");
    for (int i = 0; i < 100 && status.st_ino != old.st_ino; i++) {
        char name[32];
        snprintf(name, sizeof name, "other%d", i);
        fixture_file(fd, name, "another", 0600);
        assert_int_equal(fstatat(fd, name, &status, 0), 0);
        if (i == 99 || status.st_ino == old.st_ino) {
            assert_int_equal(renameat(fd, name, fd, "tree/y"), 0);
        }
    }
    fixture_hardlink(fd, "tree/y", "tree/z");
    meddler->done++;
}

static void a_number_that_was_given_anew_is_another_file(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct meddler meddler = {.fixture = fixture};
    const struct progress progress = {.tell = take_number_over, .context = &meddler};
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    const struct repository_backup_options options = {.host = "server"};
    vault_init(fixture);
    fixture_folder(fixture->fd, "tree", 0755);
    fixture_file(fixture->fd, "tree/a", "the old one", 0600);
    fixture_hardlink(fixture->fd, "tree/a", "tree/y");
    fixture_file(fixture->fd, "tree/b", "b", 0600);
    fixture_file(fixture->fd, "tree/z", "", 0600);
    fixture_unlink(fixture->fd, "tree/z");
    struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
    assert_int_equal(repository_backup(repository, &source, 1, &options, &progress, &summary, &error), 0);
    repository_close(repository);
    assert_int_equal(meddler.done, 1);
    assert_sound(fixture, REPOSITORY_VERIFY_ALL);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NONE);
    char content[32] = "";
    int fd = openat(fixture->fd, "back/y", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, content, sizeof content - 1), strlen("another"));
    close(fd);
    assert_string_equal(content, "another");
    repository_backup_summary_free(&summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_killed_backup_leaves_whole_packs_and_no_harm, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(killed_at_any_moment_it_opens_again, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_ends_well, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_stops_a_restore, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(two_writers_do_not_disturb_one_another, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_writer_does_not_sweep_up_after_one_at_work, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_reader_sees_what_was_added_since, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_changes_is_named, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(files_that_vanish_or_turn_are_no_error, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_lost_name_takes_no_other_along, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_name_that_turns_all_the_time_does_no_harm, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_number_that_was_given_anew_is_another_file, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
