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

static void make_tree(const struct fixture *fixture)
{
    uint8_t noise[3000];
    fixture_folder(fixture->fd, "tree", 0755);
    fixture_file(fixture->fd, "tree/first", "the first file\n", 0644);
    vault_noise(noise, sizeof noise, 1);
    fixture_bytes(fixture->fd, "tree/second", noise, sizeof noise, 0644);
    fixture_file(fixture->fd, "tree/third", "the third file\n", 0644);
}

static bool names(const char *said, const char *text)
{
    return strstr(said, text) != NULL;
}

/* Every file of the repository, every byte, one bit of it: found; and what it costs is named. */
static void flip_all(const struct fixture *fixture, const char *path, bool costs_path)
{
    uint64_t size = vault_size(fixture, path);
    uint64_t step = size > 400 ? size / 400 : 1;
    for (uint64_t at = 0; at < size; at += step) {
        uint64_t damages = 0;
        uint64_t bit = 8 * at + at % 8;
        vault_flip(fixture, path, bit);
        char *said = vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages);
        if (damages == 0 || !names(said, strchr(path, '/') + 1) || (costs_path && !names(said, "|/opt/tree"))) {
            fail_msg("bit %llu of %s: damages %llu: %s", (unsigned long long)bit, path, (unsigned long long)damages,
                     said);
        }
        free(said);
        vault_flip(fixture, path, bit);
    }
    uint64_t damages = 0;
    char *said = vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages);
    assert_int_equal(damages, 0);
    free(said);
}

static void finds_a_flipped_bit_in_a_pack(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    char path[512];
    vault_init(fixture);
    make_tree(fixture);
    vault_backup(fixture, &summary);
    assert_int_equal(vault_files(fixture, "vault/packs", ".zst", path), 1);
    flip_all(fixture, path, true);
    repository_backup_summary_free(&summary);
}

static void finds_a_flipped_bit_in_a_snapshot(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    char path[512];
    vault_init(fixture);
    make_tree(fixture);
    vault_backup(fixture, &summary);
    assert_int_equal(vault_files(fixture, "vault/snapshots", "", path), 1);
    flip_all(fixture, path, false);
    repository_backup_summary_free(&summary);
}

static void finds_a_flipped_bit_in_what_is_beside(void **state)
{
    const struct fixture *fixture = *state;
    vault_init(fixture);
    flip_all(fixture, "vault/repository.json", false);
    flip_all(fixture, "vault/README.txt", false);
    flip_all(fixture, "vault/restore.sh", false);
    fixture_unlink(fixture->fd, "vault/README.txt");
    uint64_t damages = 0;
    char *said = vault_verify(fixture, REPOSITORY_VERIFY_STRUCTURE, &damages);
    assert_int_equal(damages, 1);
    assert_true(names(said, "README.txt|"));
    free(said);
}

/* One damaged chunk costs the file that has it, in both snapshots, and no other. */
static void names_what_a_damaged_chunk_costs(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_backup_summary one;
    struct repository_backup_summary two;
    char path[512];
    char line[300];
    uint64_t damages = 0;
    vault_init(fixture);
    make_tree(fixture);
    vault_backup(fixture, &one);
    fixture_file(fixture->fd, "tree/fourth", "the fourth file\n", 0644);
    fixture_unlink(fixture->fd, "tree/first");
    assert_int_equal(vault_files(fixture, "vault/packs", ".zst", path), 1);
    vault_backup(fixture, &two);
    vault_flip(fixture, path, 8 * 1500); /* in the noise of the second file: it does not shrink */
    char *said = vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages);
    assert_int_equal(damages, 3);
    snprintf(line, sizeof line, "|%s|/opt/tree/second\n", one.id);
    assert_true(names(said, line));
    snprintf(line, sizeof line, "|%s|/opt/tree/second\n", two.id);
    assert_true(names(said, line));
    assert_false(names(said, "/opt/tree/first"));
    assert_false(names(said, "/opt/tree/third"));
    free(said);
    /* The structure does not show it: that level says nothing about content. */
    said = vault_verify(fixture, REPOSITORY_VERIFY_STRUCTURE, &damages);
    assert_int_equal(damages, 0);
    free(said);
    assert_int_equal(vault_restore(fixture, one.id, &error), CSN_REPOSITORY_DAMAGED);
    assert_true(names(error.message, "/opt/tree/second"));
    repository_backup_summary_free(&one);
    repository_backup_summary_free(&two);
}

static void finds_what_is_cut_or_missing(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct error error;
    char path[512];
    uint64_t damages = 0;
    vault_init(fixture);
    make_tree(fixture);
    vault_backup(fixture, &summary);
    assert_int_equal(vault_files(fixture, "vault/packs", ".zst", path), 1);
    vault_truncate(fixture, path, vault_size(fixture, path) - 1);
    char *said = vault_verify(fixture, REPOSITORY_VERIFY_STRUCTURE, &damages);
    assert_int_equal(damages, 4); /* the pack, and three files */
    assert_true(names(said, strchr(path, '/') + 1) && names(said, "|/opt/tree/third\n"));
    free(said);
    fixture_unlink(fixture->fd, path);
    said = vault_verify(fixture, REPOSITORY_VERIFY_STRUCTURE, &damages);
    assert_int_equal(damages, 3);
    assert_true(names(said, "|/opt/tree/first\n"));
    free(said);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_REPOSITORY_DAMAGED);
    repository_backup_summary_free(&summary);
    /* The next backup does not lean on what is no longer there. */
    vault_backup(fixture, &summary);
    assert_int_equal(summary.chunks_new, 3);
    repository_backup_summary_free(&summary);
    said = vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages);
    assert_int_equal(damages, 0); /* the first snapshot has its chunks again */
    free(said);
}

static void lists_a_damaged_snapshot_by_its_name(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct repository_backup_summary next;
    struct repository_snapshots snapshots;
    struct error error;
    char path[512];
    char id[REPOSITORY_ID_SIZE];
    vault_init(fixture);
    make_tree(fixture);
    vault_backup(fixture, &summary);
    assert_int_equal(vault_files(fixture, "vault/snapshots", "", path), 1);
    vault_flip(fixture, path, 8 * (vault_size(fixture, path) - 1));
    vault_backup(fixture, &next); /* a damaged one does not stop the next */
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    assert_int_equal(repository_list(repository, &snapshots, &error), 0);
    assert_int_equal(snapshots.count, 1);
    assert_int_equal(snapshots.damaged.count, 1);
    assert_string_equal(snapshots.damaged.items[0], summary.id);
    repository_snapshots_free(&snapshots);
    assert_int_equal(repository_find(repository, summary.id, NULL, id, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_DAMAGED);
    assert_int_equal(repository_find(repository, next.id, NULL, id, &error), 0);
    /* It may be the latest one: an older one in its place would be no one's wish. */
    assert_int_equal(repository_find(repository, "latest", NULL, id, &error), -1);
    assert_int_equal(error.code, CSN_REPOSITORY_DAMAGED);
    repository_close(repository);
    repository_backup_summary_free(&summary);
    repository_backup_summary_free(&next);
}

/* A snapshot that is well formed and asks for what no repository should give. */
static void survives_a_hostile_snapshot(void **state)
{
#define HEADER                                                                                                         \
    "{\"format\":\"caisson-snapshot\",\"version\":1,\"time\":\"2026-11-23T03:06:26.123Z\",\"began\":1795000000,"       \
    "\"host\":\"h\",\"label\":\"\",\"tool\":\"t\",\"sources\":[{\"name\":\"/\"}],\"excludes\":[],\"tags\":{}}"
#define COMMON "\"mode\":\"0644\",\"uid\":0,\"gid\":0,\"mtime\":[1,2],\"ctime\":[3,4],\"dev\":5,\"ino\":6,\"nlink\":2"
#define END "{\"end\":true,\"entries\":2,\"files\":1,\"bytes\":1,\"changed\":0,\"sha256\":\"HASH\"}"
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const char *const cases[][2] = {
        {"{\"path\":\"/a\",\"type\":\"file\"," COMMON ",\"size\":1,\"content\":[[\"" HEX "\",1]]}",
         "{\"path\":\"/b\",\"type\":\"folder\"," COMMON "}"},
        {"{\"path\":\"/a\",\"type\":\"folder\"," COMMON "}",
         "{\"path\":\"/b\",\"type\":\"file\"," COMMON ",\"hardlink\":\"/a\"}"},
        {"{\"path\":\"/a\",\"type\":\"folder\"," COMMON "}",
         "{\"path\":\"/b\",\"type\":\"file\"," COMMON ",\"hardlink\":\"/Z\"}"},
        {"{\"path\":\"/a\",\"type\":\"link\"," COMMON ",\"target\":\"/etc\"}",
         "{\"path\":\"/b\",\"type\":\"file\"," COMMON ",\"hardlink\":\"/a/passwd\"}"},
    };
    const struct fixture *fixture = *state;
    struct error error;
    struct repository_restore_summary summary;
    vault_init(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const lines[] = {HEADER, cases[i][0], cases[i][1], END};
        char id[REPOSITORY_ID_SIZE];
        char place[8];
        uint64_t damages = 0;
        vault_forge(fixture, lines, 4, id);
        char *said = vault_verify(fixture, REPOSITORY_VERIFY_STRUCTURE, &damages);
        if (damages == 0 || !names(said, id)) {
            fail_msg("snapshot %zu was found sound: %s", i, said);
        }
        free(said);
        snprintf(place, sizeof place, "at%zu", i);
        fixture_folder(fixture->fd, place, 0755);
        const struct repository_selection selection = {.root_fd = fixture->fd, .place = place};
        struct repository *repository = vault_open(fixture, REPOSITORY_READ);
        assert_int_equal(repository_restore(repository, id, &selection, NULL, &summary, &error), -1);
        repository_close(repository);
        assert_false(fixture_exists(fixture->fd, "at1/b") || fixture_exists(fixture->fd, "at2/b") ||
                     fixture_exists(fixture->fd, "at3/b"));
    }
}

/* In packs/ a stray file of two characters, and a link, cost nothing. */
static void strange_names_among_the_folders_of_packs_cost_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct repository_backup_summary summary;
    struct error error;
    uint64_t damages = 1;
    vault_init(fixture);
    make_tree(fixture);
    fixture_file(fixture->fd, "vault/packs/zz", "somebody's", 0600);
    fixture_link(fixture->fd, "vault/packs/yy", "/etc");
    vault_backup(fixture, &summary);
    assert_int_equal(vault_restore(fixture, summary.id, &error), CSN_NONE);
    free(vault_verify(fixture, REPOSITORY_VERIFY_ALL, &damages));
    assert_int_equal(damages, 0);
    repository_backup_summary_free(&summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_a_flipped_bit_in_a_pack, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(finds_a_flipped_bit_in_a_snapshot, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(finds_a_flipped_bit_in_what_is_beside, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(names_what_a_damaged_chunk_costs, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(finds_what_is_cut_or_missing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(lists_a_damaged_snapshot_by_its_name, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(survives_a_hostile_snapshot, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(strange_names_among_the_folders_of_packs_cost_nothing, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
