#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repository/pack.h"
#include "repository/vault.h"
#include "tree/compare.h"

static void make_small_tree(const struct fixture *fixture)
{
    fixture_folder(fixture->fd, "tree", 0755);
    fixture_folder(fixture->fd, "tree/conf", 0750);
    fixture_file(fixture->fd, "tree/conf/app.ini", "[app]\n", 0640);
    fixture_folder(fixture->fd, "tree/data", 0755);
    fixture_file(fixture->fd, "tree/data/one", "one\n", 0644);
    fixture_file(fixture->fd, "tree/data/two", "two\n", 0644);
    fixture_file(fixture->fd, "tree/start", "#!/bin/sh\n", 0755);
}

/* A file of noise large enough for several chunks. */
static void make_large(const struct fixture *fixture, const char *path, size_t size_bytes, uint64_t seed)
{
    uint8_t *bytes = malloc(size_bytes);
    assert_non_null(bytes);
    vault_noise(bytes, size_bytes, seed);
    fixture_bytes(fixture->fd, path, bytes, size_bytes, 0644);
    free(bytes);
}

static void assert_sound(const struct fixture *fixture)
{
    uint64_t damages = 0;
    char *said = vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages);
    if (damages != 0) {
        fail_msg("%s", said);
    }
    free(said);
    said = vault_verify(fixture, REPOSITORY_VERIFY_STRUCTURE, &damages);
    assert_int_equal(damages, 0);
    free(said);
}

static void restore_well(const struct fixture *fixture, const char *id)
{
    struct error error;
    if (vault_restore(fixture, id, &error) != CSN_NONE) {
        fail_msg("%s", error.message);
    }
}

/* --- everything a tree has comes back --- */

static void brings_everything_back(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    vault_init(fixture);
    fixture_rich(fixture->fd);
    make_large(fixture, "tree/large", (9 << 20) + 17, 1);
    vault_backup(fixture, &summary);
    assert_int_equal(summary.changed.count, 0);
    assert_int_equal(summary.vanished, 0);
    assert_true(summary.bytes > (33u << 20) && summary.bytes_read < (11u << 20)); /* holes are not read */
    assert_true(summary.chunks_new > 10);
    assert_sound(fixture);
    restore_well(fixture, summary.id);
    vault_assert_back(fixture);
    struct stat status;
    assert_int_equal(fstatat(fixture->fd, "back/sparse", &status, 0), 0);
    assert_int_equal(status.st_size, 24 << 20);
    assert_true(status.st_blocks * 512 < 1 << 20);
    repository_backup_summary_free(&summary);
}

static void brings_deep_trees_back(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    vault_init(fixture);
    fixture_folder(fixture->fd, "tree", 0755);
    int fd = openat(fixture->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t depth = fixture_deep(fd, 9000);
    fixture_file(fd, "after", "after\n", 0600);
    close(fd);
    vault_backup(fixture, &summary);
    assert_int_equal(summary.entries, depth + 3);
    restore_well(fixture, summary.id);
    vault_assert_back(fixture);
    repository_backup_summary_free(&summary);
}

static void keeps_awkward_sizes_and_holes(void **state)
{
    static const size_t sizes[] = {1, 4095, 4096, 262143, 262144, 262145, 2097151, 2097152, 2097153, 4194304, 4194305};
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    char name[64];
    vault_init(fixture);
    fixture_folder(fixture->fd, "tree", 0755);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(name, sizeof name, "tree/noise-%zu", sizes[i]);
        make_large(fixture, name, sizes[i], i);
        snprintf(name, sizeof name, "tree/hole-%zu", sizes[i]);
        fixture_file(fixture->fd, name, "", 0644);
        int fd = openat(fixture->fd, name, O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, (off_t)sizes[i]), 0);
        close(fd);
    }
    /* Data in small islands, also where the pieces meet; a hole at the end; far more hole than data. */
    int fd = openat(fixture->fd, "tree/islands", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (off_t at = 0; at < 6 << 20; at += 12288) {
        assert_int_equal(pwrite(fd, "island", 6, at), 6);
    }
    assert_int_equal(ftruncate(fd, (off_t)1 << 33), 0);
    close(fd);
    vault_backup(fixture, &summary);
    assert_true(summary.bytes_read < 30u << 20);
    restore_well(fixture, summary.id);
    struct stat before;
    struct stat after;
    assert_int_equal(fstatat(fixture->fd, "tree/islands", &before, 0), 0);
    assert_int_equal(fstatat(fixture->fd, "back/islands", &after, 0), 0);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_blocks, after.st_blocks);
    fixture_unlink(fixture->fd, "tree/islands"); /* comparing 8 GiB of holes would take long */
    fixture_unlink(fixture->fd, "back/islands");
    fixture_time(fixture->fd, "tree", 1, 1);
    fixture_time(fixture->fd, "back", 1, 1);
    vault_assert_back(fixture);
    repository_backup_summary_free(&summary);
}

static int check_as_nobody(const struct fixture *fixture)
{
    struct error error;
    struct repository_restore_summary summary;
    struct repository_snapshots snapshots;
    char path[512];
    snprintf(path, sizeof path, "%s/nobody", fixture->path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/vault", fixture->path);
    struct repository *repository = repository_open(path, REPOSITORY_READ, NULL, &error);
    if (fd < 0 || repository == NULL || repository_list(repository, &snapshots, &error) != 0) {
        return 1;
    }
    struct repository_selection selection = {.root_fd = fd, .strip = "/opt/tree", .tolerate_refusals = true};
    int result = repository_restore(repository, snapshots.items[0].id, &selection, NULL, &summary, &error);
    repository_snapshots_free(&snapshots);
    repository_close(repository);
    close(fd);
    if (result != 0) {
        print_message("%s\n", error.message);
        return 2;
    }
    return summary.tolerated.owners > 0 && summary.tolerated.devices == 2 ? 0 : 3;
}

static void restores_without_root_what_it_may(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    if (!fixture_is_root()) {
        skip();
    }
    vault_init(fixture);
    fixture_rich(fixture->fd);
    vault_backup(fixture, &summary);
    repository_backup_summary_free(&summary);
    fixture_folder(fixture->fd, "nobody", 0777);
    assert_int_equal(fchownat(fixture->fd, "nobody", 65534, 65534, 0), 0);
    char command[256];
    snprintf(command, sizeof command, "chmod -R a+rX %s/vault && chmod a+rx %s", fixture->path, fixture->path);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    fixture_as_nobody(check_as_nobody, fixture);
}

/* --- what is stored once is stored once --- */

static void stores_the_same_once(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary first;
    struct repository_backup_summary second;
    vault_init(fixture);
    make_small_tree(fixture);
    make_large(fixture, "tree/a", 5 << 20, 7);
    make_large(fixture, "tree/b", 5 << 20, 7);
    vault_backup(fixture, &first);
    assert_true(first.bytes_read > 10u << 20 && first.bytes_stored < 6u << 20);
    const struct repository_backup_options reread = {.host = "server", .reread = true};
    vault_backup_with(fixture, &reread, &second);
    assert_int_equal(second.chunks_new, 0);
    assert_int_equal(second.chunks, first.chunks);
    assert_int_equal(second.files_unchanged, 0);
    assert_int_equal(second.bytes_read, first.bytes_read);
    assert_true(second.bytes_stored < 4096);
    assert_string_not_equal(first.id, second.id);
    assert_int_equal(vault_files(fixture, "vault/packs", ".zst", NULL), 1);
    assert_sound(fixture);
    repository_backup_summary_free(&first);
    repository_backup_summary_free(&second);
}

static void does_not_read_unchanged_files_again(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_small_tree(fixture);
    make_large(fixture, "tree/large", 3 << 20, 8);
    sleep(4); /* the files must be older than the doubt about the clock's ticks */
    vault_backup(fixture, &summary);
    assert_int_equal(summary.files_unchanged, 0);
    repository_backup_summary_free(&summary);
    vault_backup(fixture, &summary);
    assert_int_equal(summary.files_unchanged, 5);
    assert_int_equal(summary.bytes_read, 0);
    repository_backup_summary_free(&summary);
    /* The same size and time, but another content: the ctime tells. */
    struct stat status;
    assert_int_equal(fstatat(fixture->fd, "tree/data/one", &status, 0), 0);
    fixture_file(fixture->fd, "tree/data/one", "ONE\n", 0644);
    fixture_time(fixture->fd, "tree/data/one", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    fixture_file(fixture->fd, "tree/data/new", "new\n", 0644);
    fixture_unlink(fixture->fd, "tree/start");
    vault_backup(fixture, &summary);
    assert_int_equal(summary.files_unchanged, 3);
    assert_int_equal(summary.bytes_read, 8);
    restore_well(fixture, summary.id);
    vault_assert_back(fixture);
    repository_backup_summary_free(&summary);
    const struct repository_backup_options other = {.host = "another server"};
    vault_backup_with(fixture, &other, &summary);
    assert_int_equal(summary.files_unchanged, 0);
    repository_backup_summary_free(&summary);
}

static void reads_young_files_again(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_small_tree(fixture);
    vault_backup(fixture, &summary);
    repository_backup_summary_free(&summary);
    vault_backup(fixture, &summary);
    assert_int_equal(summary.files_unchanged, 0);
    repository_backup_summary_free(&summary);
}

/* --- sources and excludes --- */

static uint64_t count_entries(const struct fixture *fixture, const char *id, const char *path);

static void leaves_out_what_is_excluded_and_itself(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct strings excludes = {0};
    vault_init(fixture);
    make_small_tree(fixture);
    fixture_folder(fixture->fd, "tree/cache", 0755);
    fixture_file(fixture->fd, "tree/cache/x", "x", 0644);
    fixture_file(fixture->fd, "tree/data/x.log", "x", 0644);
    assert_int_equal(strings_add(&excludes, "/all/tree/cache", &error), 0);
    assert_int_equal(strings_add(&excludes, "**/*.log", &error), 0);
    struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
    const struct repository_source source = {.root_fd = fixture->fd, .path = "/", .name = "/all"};
    const struct repository_backup_options options = {.excludes = &excludes};
    assert_int_equal(repository_backup(repository, &source, 1, &options, NULL, &summary, &error), 0);
    repository_close(repository);
    assert_int_equal(count_entries(fixture, summary.id, "all/tree/data/one"), 1);
    assert_int_equal(count_entries(fixture, summary.id, "all/tree/cache"), 0);
    assert_int_equal(count_entries(fixture, summary.id, "all/tree/cache/x"), 0);
    assert_int_equal(count_entries(fixture, summary.id, "all/tree/data/x.log"), 0);
    assert_int_equal(count_entries(fixture, summary.id, "all/vault"), 0);
    assert_int_equal(summary.entries, 8);
    strings_free(&excludes);
    repository_backup_summary_free(&summary);
}

struct counting {
    const char *path;
    uint64_t count;
};

static int count_one(void *context, const struct repository_entry *entry, struct error *error)
{
    struct counting *counting = context;
    (void)error;
    counting->count += strcmp(entry->tree->path, counting->path) == 0 ? 1 : 0;
    return 0;
}

static uint64_t count_entries(const struct fixture *fixture, const char *id, const char *path)
{
    struct error error;
    struct counting counting = {.path = path};
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    assert_int_equal(repository_iterate(repository, id, NULL, count_one, &counting, &error), 0);
    repository_close(repository);
    return counting.count;
}

static void takes_several_sources_in_any_order(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct repository_restore_summary restored;
    vault_init(fixture);
    make_small_tree(fixture);
    fixture_folder(fixture->fd, "empty", 0755);
    struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
    const struct repository_source sources[] = {
        {.root_fd = fixture->fd, .path = "tree/start", .name = "/z/start"},
        {.root_fd = fixture->fd, .path = "/tree/data", .name = "/srv/data"},
        {.root_fd = fixture->fd, .path = "tree/conf", .name = "/srv.d"},
    };
    const struct repository_backup_options options = {.label = "\xe5\xa4\x87\xe4\xbb\xbd"};
    assert_int_equal(repository_backup(repository, sources, 3, &options, NULL, &summary, &error), 0);
    assert_int_equal(summary.entries, 6);
    const struct repository_selection selection = {.root_fd = fixture->fd, .place = "empty"};
    assert_int_equal(repository_restore(repository, summary.id, &selection, NULL, &restored, &error), 0);
    repository_close(repository);
    assert_int_equal(restored.entries, 6);
    assert_true(fixture_exists(fixture->fd, "empty/srv/data/two"));
    assert_true(fixture_exists(fixture->fd, "empty/srv.d/app.ini"));
    assert_true(fixture_exists(fixture->fd, "empty/z/start"));
    repository_backup_summary_free(&summary);
    assert_sound(fixture);
}

static void refuses_sources_that_cannot_be(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_small_tree(fixture);
    const struct repository_source cases[][2] = {
        {{fixture->fd, "tree", "/a"}, {fixture->fd, "tree/data", "/a/data"}},
        {{fixture->fd, "tree", "/a"}, {fixture->fd, "tree", "/a"}},
        {{fixture->fd, "tree", "/"}, {fixture->fd, "tree", "/a"}},
        {{fixture->fd, "tree", "a"}, {fixture->fd, "tree", "/b"}},
        {{fixture->fd, "tree", "/a/../b"}, {fixture->fd, "tree", "/c"}},
        {{fixture->fd, "tree", "/a"}, {fixture->fd, "gone", "/b"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct repository_backup_options options = {.host = "h"};
        struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
        assert_int_equal(repository_backup(repository, cases[i], 2, &options, NULL, &summary, &error), -1);
        assert_int_equal(error.code, i == 5 ? CSN_NOT_FOUND : CSN_USAGE);
        repository_backup_summary_free(&summary);
        repository_close(repository);
        assert_int_equal(vault_files(fixture, "vault/snapshots", "", NULL), 0);
        assert_int_equal(vault_files(fixture, "vault/packs", "", NULL), 0);
    }
}

/* --- finding --- */

static void finds_snapshots(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary one;
    struct repository_backup_summary two;
    struct repository_snapshots snapshots;
    char id[REPOSITORY_ID_SIZE];
    char digits[REPOSITORY_ID_SIZE];
    vault_init(fixture);
    make_small_tree(fixture);
    const struct repository_tag tags[] = {{"run", "1"}, {"application", "wiki"}};
    const struct repository_backup_options tagged = {.host = "a", .label = "first", .tags = tags, .tag_count = 2};
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    assert_int_equal(repository_find(repository, "latest", NULL, id, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_NO_SNAPSHOT);
    repository_close(repository);
    vault_backup_with(fixture, &tagged, &one);
    vault_backup(fixture, &two);
    repository = vault_open(fixture, REPOSITORY_READ);
    assert_int_equal(repository_list(repository, &snapshots, &error), 0);
    assert_int_equal(snapshots.count, 2);
    assert_int_equal(snapshots.damaged.count, 0);
    assert_string_equal(snapshots.items[0].id, one.id);
    assert_string_equal(snapshots.items[0].host, "a");
    assert_string_equal(snapshots.items[0].label, "first");
    assert_string_equal(snapshots.items[0].sources.items[0], "/opt/tree");
    assert_string_equal(snapshots.items[0].tag_keys.items[1], "application");
    assert_string_equal(snapshots.items[0].tag_values.items[1], "wiki");
    assert_int_equal(snapshots.items[1].files, 4);
    repository_snapshots_free(&snapshots);
    assert_int_equal(repository_find(repository, "latest", NULL, id, &error), 0);
    assert_string_equal(id, two.id);
    assert_int_equal(repository_find(repository, "latest", &tags[1], id, &error), 0);
    assert_string_equal(id, one.id);
    const struct repository_tag other = {"run", "2"};
    assert_int_equal(repository_find(repository, "latest", &other, id, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_NO_SNAPSHOT);
    memcpy(digits, one.id, 8);
    digits[8] = '\0';
    assert_int_equal(repository_find(repository, digits, NULL, id, &error), 0);
    assert_string_equal(id, one.id);
    static const char *const wrong[] = {"", "abc", "ABCDEF", "../../x", "newest", "0000000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(repository_find(repository, wrong[i], NULL, id, &error), -1);
        assert_int_equal(error.code, CSN_REPOSITORY_NO_SNAPSHOT);
    }
    repository_close(repository);
    repository_backup_summary_free(&one);
    repository_backup_summary_free(&two);
}

/* --- init and open --- */

static void makes_repositories_in_empty_folders_only(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char path[512];
    vault_init(fixture);
    snprintf(path, sizeof path, "%s/vault", fixture->path);
    assert_int_equal(repository_init(path, NULL, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_EXISTS);
    fixture_folder(fixture->fd, "other", 0755);
    fixture_file(fixture->fd, "other/file", "", 0644);
    snprintf(path, sizeof path, "%s/other", fixture->path);
    assert_int_equal(repository_init(path, NULL, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_EXISTS);
    assert_int_equal(vault_files(fixture, "other", "", NULL), 1);
    snprintf(path, sizeof path, "%s/other/file", fixture->path);
    assert_int_equal(repository_init(path, NULL, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_EXISTS);
    snprintf(path, sizeof path, "%s/gone/deeper", fixture->path);
    assert_int_equal(repository_init(path, NULL, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    /* What a fresh file system has, and what an init that was cut off has left. */
    fixture_folder(fixture->fd, "stick", 0755);
    fixture_folder(fixture->fd, "stick/lost+found", 0700);
    fixture_folder(fixture->fd, "stick/System Volume Information", 0700);
    fixture_folder(fixture->fd, "stick/packs", 0700);
    fixture_file(fixture->fd, "stick/repository.json.12.tmp", "", 0600);
    snprintf(path, sizeof path, "%s/stick", fixture->path);
    assert_int_equal(repository_init(path, NULL, &error), 0);
    struct repository *repository = repository_open(path, REPOSITORY_WRITE, NULL, &error);
    assert_non_null(repository);
    repository_close(repository);
    assert_false(fixture_exists(fixture->fd, "stick/repository.json.12.tmp"));
}

static void opens_only_repositories(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char path[512];
    snprintf(path, sizeof path, "%s/gone", fixture->path);
    assert_null(repository_open(path, REPOSITORY_READ, NULL, &error));
    assert_int_equal(error.code, CSN_REPOSITORY_NOT);
    assert_null(repository_open(fixture->path, REPOSITORY_WRITE, NULL, &error));
    assert_int_equal(error.code, CSN_REPOSITORY_NOT);
    vault_init(fixture);
    snprintf(path, sizeof path, "%s/vault", fixture->path);
    static const char *const lines[] = {
        "{\"format\":\"caisson-repository\",\"version\":2}",
        "{\"format\":\"something\",\"version\":1}",
        "{\"format\":\"caisson-repository\",\"version\":1}",
    };
    static const enum error_code codes[] = {CSN_REPOSITORY_VERSION, CSN_REPOSITORY_NOT, CSN_REPOSITORY_DAMAGED};
    for (size_t i = 0; i < 3; i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[SHA256_HEX_SIZE];
        char text[512];
        sha256_of(lines[i], strlen(lines[i]), digest);
        hex_encode(digest, SHA256_SIZE, hex);
        snprintf(text, sizeof text, "%s\n{\"sha256\":\"%s\"}\n", lines[i], hex);
        fixture_file(fixture->fd, "vault/repository.json", text, 0600);
        assert_null(repository_open(path, REPOSITORY_WRITE, NULL, &error));
        assert_int_equal(error.code, codes[i]);
    }
}

/* --- restoring parts and elsewhere --- */

static void restores_what_is_asked_for(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    struct repository_restore_summary restored;
    struct strings paths = {0};
    vault_init(fixture);
    make_small_tree(fixture);
    fixture_hardlink(fixture->fd, "tree/conf/app.ini", "tree/data/again");
    fixture_hardlink(fixture->fd, "tree/conf/app.ini", "tree/data/third");
    vault_backup(fixture, &summary);
    fixture_folder(fixture->fd, "part", 0755);
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    struct repository_selection selection = {.paths = &paths, .root_fd = fixture->fd, .place = "part"};
    assert_int_equal(strings_add(&paths, "/opt/tree/gone", &error), 0);
    assert_int_equal(strings_add(&paths, "/opt/tree/data/", &error), 0);
    assert_int_equal(repository_restore(repository, summary.id, &selection, NULL, &restored, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(vault_files(fixture, "part", "", NULL), 0);
    assert_false(fixture_exists(fixture->fd, "part/opt"));
    strings_free(&paths);
    assert_int_equal(strings_add(&paths, "/opt/tree/start", &error), 0);
    assert_int_equal(strings_add(&paths, "/opt/tree/data/", &error), 0);
    assert_int_equal(strings_add(&paths, "/opt/tree/data/one", &error), 0);
    assert_int_equal(repository_restore(repository, summary.id, &selection, NULL, &restored, &error), 0);
    assert_int_equal(restored.entries, 6);
    assert_int_equal(vault_files(fixture, "part", "", NULL), 5);
    /* Two names of a file whose first name was not asked for. */
    struct stat again;
    struct stat third;
    assert_int_equal(fstatat(fixture->fd, "part/opt/tree/data/again", &again, 0), 0);
    assert_int_equal(fstatat(fixture->fd, "part/opt/tree/data/third", &third, 0), 0);
    assert_int_equal(again.st_ino, third.st_ino);
    assert_int_equal(again.st_size, 6);
    assert_int_equal(again.st_mode & 07777, 0640);
    selection.strip = "/opt/tree/data";
    assert_int_equal(repository_restore(repository, summary.id, &selection, NULL, &restored, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    repository_close(repository);
    strings_free(&paths);
    repository_backup_summary_free(&summary);
}

static void writes_over_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    static const char *const existing[] = {"back/start", "back/data/one", "back/conf", "back/link"};
    vault_init(fixture);
    make_small_tree(fixture);
    fixture_link(fixture->fd, "tree/link", "start");
    vault_backup(fixture, &summary);
    for (size_t i = 0; i < sizeof existing / sizeof existing[0]; i++) {
        fixture_folder(fixture->fd, "back", 0755);
        fixture_folder(fixture->fd, "back/data", 0755);
        fixture_file(fixture->fd, existing[i], "mine", 0644);
        assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_REPOSITORY_TARGET);
        assert_int_equal(vault_size(fixture, existing[i]), 4);
        assert_int_equal(renameat(fixture->fd, "back", fixture->fd,
                                  i == 0   ? "old0"
                                  : i == 1 ? "old1"
                                  : i == 2 ? "old2"
                                           : "old3"),
                         0);
    }
    repository_backup_summary_free(&summary);
}

static void follows_no_link_out_of_the_target(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary summary;
    vault_init(fixture);
    make_small_tree(fixture);
    vault_backup(fixture, &summary);
    fixture_folder(fixture->fd, "outside", 0755);
    fixture_folder(fixture->fd, "back", 0755);
    fixture_link(fixture->fd, "back/conf", "../outside");
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_REPOSITORY_TARGET);
    assert_int_equal(vault_files(fixture, "outside", "", NULL), 0);
    repository_backup_summary_free(&summary);
}

/* --- comparing --- */

struct differences {
    char text[2000];
};

static int note_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    struct differences *differences = context;
    char aspects[100];
    size_t used = strlen(differences->text);
    (void)error;
    tree_aspects_text(difference->aspects, aspects, sizeof aspects);
    snprintf(differences->text + used, sizeof differences->text - used, "%s: %s\n", difference->path, aspects);
    return 0;
}

static void compare_with(const struct fixture *fixture, const char *id, const char *place,
                         struct tree_compare_counts *counts, struct differences *differences)
{
    struct error error;
    const struct tree_compare_options options = {0};
    const struct repository_selection selection = {.root_fd = fixture->fd, .strip = "/opt", .place = place};
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    differences->text[0] = '\0';
    if (repository_compare(repository, id, &selection, &options, note_difference, differences, NULL, counts, &error) !=
        0) {
        fail_msg("%s", error.message);
    }
    repository_close(repository);
}

static void compares_a_snapshot_with_a_tree(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct tree_compare_counts counts;
    struct differences differences;
    vault_init(fixture);
    fixture_rich(fixture->fd);
    make_large(fixture, "tree/large", 3 << 20, 9);
    fixture_time(fixture->fd, "tree", 1600000000, 123456789);
    vault_backup(fixture, &summary);
    compare_with(fixture, summary.id, NULL, &counts, &differences);
    assert_string_equal(differences.text, "");
    assert_true(tree_compare_is_equal(&counts));
    assert_int_equal(counts.both, summary.entries);
    assert_true(counts.compared_bytes > 3u << 20);

    struct stat status;
    assert_int_equal(fstatat(fixture->fd, "tree/large", &status, 0), 0);
    vault_flip(fixture, "tree/large", 8 * (2u << 20));
    fixture_time(fixture->fd, "tree/large", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    vault_flip(fixture, "tree/sparse", 8 * (4u << 20)); /* in a hole */
    fixture_time(fixture->fd, "tree/sparse", -5, 999999999);
    fixture_unlink(fixture->fd, "tree/dangling");
    fixture_unlink(fixture->fd, "tree/link");
    fixture_link(fixture->fd, "tree/link", "other");
    fixture_time(fixture->fd, "tree/link", 1, 1);
    fixture_file(fixture->fd, "tree/new", "new", 0644);
    fixture_unlink(fixture->fd, "tree/zz-plain-again");
    fixture_file(fixture->fd, "tree/zz-plain-again", "plain\n", 0644);
    fixture_time(fixture->fd, "tree/zz-plain-again", 1234567890, 987654321);
    assert_int_equal(fchmodat(fixture->fd, "tree/with-xattrs", 0400, 0), 0);
    fixture_time(fixture->fd, "tree", 1600000000, 123456789);
    compare_with(fixture, summary.id, "/", &counts, &differences);
    static const char *const expected[] = {
        "opt/tree/dangling: only in first\n", "opt/tree/large: content\n",    "opt/tree/new: only in second\n",
        "opt/tree/sparse: content\n",         "opt/tree/with-xattrs: mode\n", "opt/tree/zz-plain-again: hard links\n",
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strstr(differences.text, expected[i]) == NULL) {
            fail_msg("no \"%s\" in:\n%s", expected[i], differences.text);
        }
    }
    assert_non_null(strstr(differences.text, "opt/tree/link: target"));
    if (strstr(differences.text, "opt/tree: ") != NULL) {
        fail_msg("%s", differences.text);
    }
    assert_int_equal(counts.only_a, 1);
    assert_int_equal(counts.only_b, 1);
    repository_backup_summary_free(&summary);
}

static void compares_with_a_tree_that_is_not_there(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct tree_compare_counts counts;
    struct differences differences;
    vault_init(fixture);
    make_small_tree(fixture);
    vault_backup(fixture, &summary);
    fixture_folder(fixture->fd, "elsewhere", 0755);
    compare_with(fixture, summary.id, "elsewhere", &counts, &differences);
    assert_int_equal(counts.only_a, summary.entries);
    assert_int_equal(counts.only_b, 0);
    repository_backup_summary_free(&summary);
}

static void diff_of(const struct fixture *fixture, const char *a, const char *b, const struct strings *paths,
                    struct differences *differences)
{
    struct error error;
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    differences->text[0] = '\0';
    if (repository_diff(repository, a, b, paths, note_difference, differences, &error) != 0) {
        fail_msg("%s", error.message);
    }
    repository_close(repository);
}

static void tells_two_snapshots_apart(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary before;
    struct repository_backup_summary after;
    struct differences differences;
    struct strings data = {0};
    struct error error;
    vault_init(fixture);
    make_small_tree(fixture);
    make_large(fixture, "tree/large", 3 << 20, 9);
    fixture_file(fixture->fd, "tree/same", "same\n", 0644);
    fixture_time(fixture->fd, "tree/data/one", 1600000000, 1);
    vault_backup(fixture, &before);
    diff_of(fixture, before.id, before.id, NULL, &differences);
    assert_string_equal(differences.text, "");

    fixture_file(fixture->fd, "tree/data/one", "ONE\n", 0644); /* as long as before */
    fixture_time(fixture->fd, "tree/data/one", 1600000000, 1);
    fixture_unlink(fixture->fd, "tree/data/two");
    fixture_file(fixture->fd, "tree/data/xnew", "new\n", 0644);
    assert_int_equal(fchmodat(fixture->fd, "tree/start", 0700, 0), 0);
    vault_flip(fixture, "tree/large", 8 * (2u << 20));
    vault_backup(fixture, &after);
    diff_of(fixture, before.id, after.id, NULL, &differences);
    assert_string_equal(differences.text, "opt/tree/data: mtime\nopt/tree/data/one: content\n"
                                          "opt/tree/data/two: only in first\nopt/tree/data/xnew: only in second\n"
                                          "opt/tree/large: content, mtime\nopt/tree/start: mode\n");
    assert_int_equal(strings_add(&data, "/opt/tree/data", &error), 0);
    assert_int_equal(strings_add(&data, "/opt/tree/nothing", &error), 0);
    diff_of(fixture, before.id, after.id, &data, &differences);
    assert_string_equal(differences.text, "opt/tree/data: mtime\nopt/tree/data/one: content\n"
                                          "opt/tree/data/two: only in first\nopt/tree/data/xnew: only in second\n");
    strings_free(&data);
    repository_backup_summary_free(&before);
    repository_backup_summary_free(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brings_everything_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(brings_deep_trees_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(keeps_awkward_sizes_and_holes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(restores_without_root_what_it_may, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(stores_the_same_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(does_not_read_unchanged_files_again, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(reads_young_files_again, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(leaves_out_what_is_excluded_and_itself, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(takes_several_sources_in_any_order, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_sources_that_cannot_be, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(finds_snapshots, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(makes_repositories_in_empty_folders_only, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(opens_only_repositories, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(restores_what_is_asked_for, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(writes_over_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(follows_no_link_out_of_the_target, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(compares_a_snapshot_with_a_tree, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(compares_with_a_tree_that_is_not_there, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(tells_two_snapshots_apart, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
