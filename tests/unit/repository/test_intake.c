/* A snapshot of what comes as a stream, in any order: it is one like any other. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "repository/repository.h"

static struct error error;
static char folder[64];

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static int set_up(void **state)
{
    char path[100];
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/caisson-intake-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/repository", folder);
    ASSERT_DONE(repository_init(path, NULL, &error));
    return 0;
}

static int tear_down(void **state)
{
    char command[200];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    return 0;
}

static struct repository *opened(enum repository_mode mode)
{
    char path[100];
    snprintf(path, sizeof path, "%s/repository", folder);
    struct repository *repository = repository_open(path, mode, NULL, &error);
    if (repository == NULL) {
        fail_msg("%s", error.message);
    }
    return repository;
}

static struct tree_entry entry_of(const char *path, enum tree_type type, uint64_t size_bytes)
{
    return (struct tree_entry){.path = (char *)(uintptr_t)path,
                               .type = type,
                               .known = TREE_ASPECT_TYPE,
                               .mode = type == TREE_FOLDER ? 0700 : 0600,
                               .mtime_sec = 1000,
                               .size_bytes = size_bytes,
                               .nlink = 1,
                               .link_target = type == TREE_LINK ? (char *)(uintptr_t) "there" : NULL};
}

/* A byte of it follows from its place; ends after `left`. */
struct source {
    uint64_t at;
    uint64_t left;
    bool fails;
};

static ssize_t give(void *context, uint8_t *into, size_t size_bytes, struct error *why)
{
    struct source *source = context;
    size_t size = source->left < size_bytes ? (size_t)source->left : size_bytes;
    size = size > 30011 ? 30011 : size; /* fewer than asked for is no end */
    if (source->fails) {
        return error_set(why, CSN_DATABASE_UNREACHABLE, "the test's source breaks");
    }
    for (size_t i = 0; i < size; i++, source->at++) {
        into[i] = (uint8_t)((source->at * 2654435761u) >> 13);
    }
    source->left -= size;
    return (ssize_t)size;
}

static ssize_t give_whole(void *context, uint8_t *into, size_t size_bytes, struct error *why)
{
    size_t have = 0;
    while (have < size_bytes) {
        ssize_t got = give(context, into + have, size_bytes - have, why);
        if (got <= 0) {
            return got < 0 ? -1 : (ssize_t)have;
        }
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static int add_file(struct repository_intake *intake, const char *path, uint64_t size_bytes, uint64_t comes)
{
    struct tree_entry entry = entry_of(path, TREE_FILE, size_bytes);
    struct source source = {.left = comes};
    return repository_intake_add(intake, &entry, give_whole, &source, &error);
}

static int add_folder(struct repository_intake *intake, const char *path)
{
    struct tree_entry entry = entry_of(path, TREE_FOLDER, 0);
    return repository_intake_add(intake, &entry, NULL, NULL, &error);
}

static struct repository_intake *begun(struct repository *repository)
{
    struct strings names = {0};
    struct repository_backup_options options = {.host = "db", .label = "stream"};
    ASSERT_DONE(strings_add(&names, "/top", &error));
    struct repository_intake *intake = repository_intake_new(repository, &names, &options, &error);
    if (intake == NULL) {
        fail_msg("%s", error.message);
    }
    strings_free(&names);
    return intake;
}

static void test_in_any_order(void **state)
{
    (void)state;
    struct repository *repository = opened(REPOSITORY_WRITE);
    struct repository_intake *intake = begun(repository);
    struct repository_backup_summary summary;
    struct tree_entry link = entry_of("top/a/link", TREE_LINK, 5);
    ASSERT_DONE(add_file(intake, "top/z", 5000000, 5000000)); /* several batches */
    ASSERT_DONE(add_file(intake, "top/a/large", 3000001, 3000001));
    ASSERT_DONE(add_folder(intake, "top/a"));
    ASSERT_DONE(repository_intake_add(intake, &link, NULL, NULL, &error));
    ASSERT_DONE(add_file(intake, "top/a/empty", 0, 0));
    ASSERT_DONE(add_file(intake, "top/a/until its end", REPOSITORY_SIZE_UNKNOWN, 4000003));
    ASSERT_DONE(add_file(intake, "top/a/at its end", REPOSITORY_SIZE_UNKNOWN, 0));
    ASSERT_DONE(add_folder(intake, "top"));
    ASSERT_DONE(repository_intake_commit(intake, &summary, &error));
    assert_int_equal(summary.entries, 8);
    assert_int_equal(summary.files, 5);
    assert_int_equal(summary.bytes, 12000004);
    repository_intake_free(intake);
    repository_close(repository);

    repository = opened(REPOSITORY_READ);
    struct repository_verification sums;
    ASSERT_DONE(repository_verify(repository, REPOSITORY_VERIFY_ALL, NULL, NULL, NULL, &sums, &error));
    assert_int_equal(sums.damages, 0);
    char path[100];
    snprintf(path, sizeof path, "%s/back", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct repository_selection selection = {.root_fd = fd, .tolerate_refusals = true};
    struct repository_restore_summary restored;
    ASSERT_DONE(repository_restore(repository, summary.id, &selection, NULL, &restored, &error));
    struct buffer content = {0};
    ASSERT_DONE(file_read(fd, "top/z", 6000000, &content, &error));
    assert_int_equal(content.size, 5000000);
    for (uint64_t i = 0; i < content.size; i += 997) {
        assert_int_equal((uint8_t)content.data[i], (uint8_t)((i * 2654435761u) >> 13));
    }
    buffer_clear(&content);
    ASSERT_DONE(file_read(fd, "top/a/until its end", 6000000, &content, &error));
    assert_int_equal(content.size, 4000003);
    assert_int_equal((uint8_t)content.data[4000002], (uint8_t)((4000002u * (uint64_t)2654435761u) >> 13));
    buffer_clear(&content);
    ASSERT_DONE(file_read(fd, "top/a/at its end", 6000000, &content, &error));
    assert_int_equal(content.size, 0);
    buffer_free(&content);
    close(fd);
    repository_close(repository);
    repository_backup_summary_free(&summary);
}

/* No snapshot is made; what was finished stays for the next. */
static void assert_no_new_snapshot(size_t before)
{
    struct repository *repository = opened(REPOSITORY_READ);
    struct repository_snapshots snapshots;
    ASSERT_DONE(repository_list(repository, &snapshots, &error));
    assert_int_equal(snapshots.count, before);
    repository_snapshots_free(&snapshots);
    repository_close(repository);
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    struct repository_backup_summary summary;
    struct repository *repository = opened(REPOSITORY_WRITE);
    struct repository_intake *intake = begun(repository);
    assert_int_equal(add_file(intake, "top/short", 1000, 999), -1);
    assert_int_equal(error.code, CSN_TREE_READ);
    assert_non_null(strstr(error.message, "999 of 1000"));
    repository_intake_free(intake);
    repository_close(repository);

    repository = opened(REPOSITORY_WRITE);
    intake = begun(repository);
    struct tree_entry entry = entry_of("top/breaks", TREE_FILE, 1000);
    struct source source = {.left = 1000, .fails = true};
    assert_int_equal(repository_intake_add(intake, &entry, give, &source, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNREACHABLE);
    repository_intake_free(intake);
    repository_close(repository);

    static const char *const wrong[][2] = {{"top/x", "top/x"}, {"top/none/x", "top/y"}, {"elsewhere/x", "top/y"}};
    for (size_t i = 0; i < 3; i++) {
        repository = opened(REPOSITORY_WRITE);
        intake = begun(repository);
        ASSERT_DONE(add_folder(intake, "top"));
        ASSERT_DONE(add_file(intake, wrong[i][0], 10, 10));
        ASSERT_DONE(add_file(intake, wrong[i][1], 10, 10));
        assert_int_equal(repository_intake_commit(intake, &summary, &error), -1);
        assert_int_equal(error.code, CSN_TREE_READ);
        repository_intake_free(intake);
        repository_close(repository);
    }
    repository = opened(REPOSITORY_WRITE);
    intake = begun(repository);
    assert_int_equal(add_file(intake, "top/../x", 10, 10), -1);
    assert_int_equal(error.code, CSN_INTERNAL);
    repository_intake_free(intake);
    repository_close(repository);
    assert_no_new_snapshot(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_any_order),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
