#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repository/snapshot.h"
#include "repository/vault.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEADER                                                                                                         \
    "{\"format\":\"caisson-snapshot\",\"version\":1,\"time\":\"2026-11-23T03:06:26.123Z\",\"began\":1795000000,"       \
    "\"host\":\"h\",\"label\":\"\",\"tool\":\"t\",\"sources\":[{\"name\":\"/a\"}],\"excludes\":[],\"tags\":{}}"
#define COMMON "\"mode\":\"0644\",\"uid\":0,\"gid\":0,\"mtime\":[1,2],\"ctime\":[3,4],\"dev\":5,\"ino\":6,\"nlink\":1"
#define FILE_LINE(path, rest) "{\"path\":\"" path "\",\"type\":\"file\"," COMMON rest "}"
#define FOLDER_LINE(path) "{\"path\":\"" path "\",\"type\":\"folder\"," COMMON "}"
#define END(entries, files, bytes)                                                                                     \
    "{\"end\":true,\"entries\":" entries ",\"files\":" files ",\"bytes\":" bytes ",\"changed\":0,\"sha256\":\"HASH\"}"

static int snapshots_of(const struct fixture *fixture)
{
    return openat(fixture->fd, "vault/snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct snapshot_reader *open_id(const struct fixture *fixture, const char *hex, struct error *error)
{
    uint8_t id[SHA256_SIZE];
    int fd = snapshots_of(fixture);
    assert_true(hex_decode(hex, id, SHA256_SIZE));
    struct snapshot_reader *reader = snapshot_reader_open(&(struct stored_folder){.fd = fd}, id, error);
    close(fd);
    return reader;
}

/* Reads the whole snapshot: CSN_NONE if all of it is as it must be. */
static enum error_code read_all(const struct fixture *fixture, const char *hex, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    int got = -1;
    struct snapshot_reader *reader = open_id(fixture, hex, error);
    while (reader != NULL && (got = snapshot_reader_next(reader, &entry, error)) == 1) {
        assert_non_null(entry->tree.path);
    }
    snapshot_reader_close(reader);
    return got == 0 ? CSN_NONE : error->code;
}

static enum error_code read_lines(const struct fixture *fixture, const char *const *lines, size_t count,
                                  struct error *error)
{
    char hex[REPOSITORY_ID_SIZE];
    vault_forge(fixture, lines, count, hex);
    return read_all(fixture, hex, error);
}

/* --- hostile lines --- */

struct hostile {
    const char *why;
    const char *lines[4];
};

static const struct hostile hostile[] = {
    {"..", {FOLDER_LINE("/a/../b")}},
    {".", {FOLDER_LINE("/a/./b")}},
    {".. at the start", {FOLDER_LINE("/..")}},
    {"no slash", {FOLDER_LINE("a")}},
    {"two slashes", {FOLDER_LINE("//a")}},
    {"two slashes inside", {FOLDER_LINE("/a//b")}},
    {"slash at the end", {FOLDER_LINE("/a/")}},
    {"an empty path", {FOLDER_LINE("")}},
    {"NUL in a path", {FOLDER_LINE("/a\\u0000b")}},
    {"no path", {"{\"type\":\"folder\"," COMMON "}"}},
    {"a path that is a number", {"{\"path\":7,\"type\":\"folder\"," COMMON "}"}},
    {"base64 that is none", {"{\"path64\":\"*\",\"type\":\"folder\"," COMMON "}"}},
    {".. in base64", {"{\"path64\":\"Ly4uL2E=\",\"type\":\"folder\"," COMMON "}"}},
    {"the same path twice", {FOLDER_LINE("/a"), FOLDER_LINE("/a")}},
    {"out of order", {FOLDER_LINE("/b"), FOLDER_LINE("/a")}},
    {"out of walk order", {FOLDER_LINE("/a.b"), FOLDER_LINE("/a/b")}},
    {"below a file", {FILE_LINE("/a", ",\"size\":0,\"content\":[]"), FOLDER_LINE("/a/b")}},
    {"below a link",
     {"{\"path\":\"/a\",\"type\":\"link\"," COMMON ",\"target\":\"/tmp\"}",
      FILE_LINE("/a/b", ",\"size\":0,\"content\":[]")}},
    {"far below a link",
     {"{\"path\":\"/a\",\"type\":\"link\"," COMMON ",\"target\":\"/tmp\"}",
      FILE_LINE("/a/b/c", ",\"size\":0,\"content\":[]")}},
    {"below a root that is a file", {FILE_LINE("/", ",\"size\":0,\"content\":[]"), FOLDER_LINE("/a")}},
    {"a link without target", {"{\"path\":\"/a\",\"type\":\"link\"," COMMON "}"}},
    {"a link to nothing", {"{\"path\":\"/a\",\"type\":\"link\"," COMMON ",\"target\":\"\"}"}},
    {"a link with NUL", {"{\"path\":\"/a\",\"type\":\"link\"," COMMON ",\"target\":\"a\\u0000\"}"}},
    {"a hard link forward", {FILE_LINE("/a", ",\"hardlink\":\"/b\"")}},
    {"a hard link to itself", {FILE_LINE("/a", ",\"hardlink\":\"/a\"")}},
    {"a hard link with ..", {FILE_LINE("/b", ",\"hardlink\":\"/../a\"")}},
    {"a hard-linked folder", {"{\"path\":\"/b\",\"type\":\"folder\"," COMMON ",\"hardlink\":\"/a\"}"}},
    {"no type", {"{\"path\":\"/a\"," COMMON "}"}},
    {"an unknown type", {"{\"path\":\"/a\",\"type\":\"door\"," COMMON "}"}},
    {"a type that is a number", {"{\"path\":\"/a\",\"type\":1," COMMON "}"}},
    {"a device without numbers", {"{\"path\":\"/a\",\"type\":\"block device\"," COMMON "}"}},
    {"a device with one number", {"{\"path\":\"/a\",\"type\":\"block device\"," COMMON ",\"device\":[1]}"}},
    {"a device number too large",
     {"{\"path\":\"/a\",\"type\":\"character device\"," COMMON ",\"device\":[1,4294967296]}"}},
    {"a file without content", {FILE_LINE("/a", ",\"size\":0")}},
    {"a file without size", {FILE_LINE("/a", ",\"content\":[]")}},
    {"fewer bytes than the size", {FILE_LINE("/a", ",\"size\":2,\"content\":[[\"" HEX "\",1]]")}},
    {"more bytes than the size", {FILE_LINE("/a", ",\"size\":1,\"content\":[[\"" HEX "\",2]]")}},
    {"an empty chunk", {FILE_LINE("/a", ",\"size\":0,\"content\":[[\"" HEX "\",0]]")}},
    {"a chunk beyond the limit", {FILE_LINE("/a", ",\"size\":4194305,\"content\":[[\"" HEX "\",4194305]]")}},
    {"a size beyond all", {FILE_LINE("/a", ",\"size\":9223372036854775808,\"content\":[[null,9223372036854775808]]")}},
    {"sizes that wrap",
     {FILE_LINE("/a", ",\"size\":1,\"content\":[[null,9223372036854775807],[null,9223372036854775807],[null,3]]")}},
    {"a negative size", {FILE_LINE("/a", ",\"size\":-1,\"content\":[]")}},
    {"a short id", {FILE_LINE("/a", ",\"size\":1,\"content\":[[\"01\",1]]")}},
    {"an id of zeros",
     {FILE_LINE("/a", ",\"size\":1,\"content\":[["
                      "\"0000000000000000000000000000000000000000000000000000000000000000\",1]]")}},
    {"an id that is a number", {FILE_LINE("/a", ",\"size\":1,\"content\":[[1,1]]")}},
    {"a piece that is no pair", {FILE_LINE("/a", ",\"size\":1,\"content\":[[\"" HEX "\"]]")}},
    {"pieces that never come", {FILE_LINE("/a", ",\"size\":1,\"content\":[[\"" HEX "\",1]],\"more\":true")}},
    {"pieces that are an entry",
     {FILE_LINE("/a", ",\"size\":1,\"content\":[[\"" HEX "\",1]],\"more\":true"), FOLDER_LINE("/b")}},
    {"pieces of nothing", {"{\"content\":[[\"" HEX "\",1]]}"}},
    {"a mode of five digits",
     {"{\"path\":\"/a\",\"type\":\"fifo\",\"mode\":\"10644\",\"uid\":0,\"gid\":0,\"mtime\":[1,2],\"ctime\":[3,4],"
      "\"dev\":5,\"ino\":6,\"nlink\":1}"}},
    {"a mode that is not octal",
     {"{\"path\":\"/a\",\"type\":\"fifo\",\"mode\":\"0689\",\"uid\":0,\"gid\":0,\"mtime\":[1,2],\"ctime\":[3,4],"
      "\"dev\":5,\"ino\":6,\"nlink\":1}"}},
    {"an owner beyond 32 bits",
     {"{\"path\":\"/a\",\"type\":\"fifo\",\"mode\":\"0644\",\"uid\":4294967296,\"gid\":0,\"mtime\":[1,2],"
      "\"ctime\":[3,4],\"dev\":5,\"ino\":6,\"nlink\":1}"}},
    {"a billion nanoseconds",
     {"{\"path\":\"/a\",\"type\":\"fifo\",\"mode\":\"0644\",\"uid\":0,\"gid\":0,\"mtime\":[1,1000000000],"
      "\"ctime\":[3,4],\"dev\":5,\"ino\":6,\"nlink\":1}"}},
    {"half a second",
     {"{\"path\":\"/a\",\"type\":\"fifo\",\"mode\":\"0644\",\"uid\":0,\"gid\":0,\"mtime\":[1.5,0],\"ctime\":[3,4],"
      "\"dev\":5,\"ino\":6,\"nlink\":1}"}},
    {"an xattr without a name", {FILE_LINE("/a", ",\"xattrs\":[{\"value\":\"x\"}],\"size\":0,\"content\":[]")}},
    {"an xattr without a value", {FILE_LINE("/a", ",\"xattrs\":[{\"name\":\"user.x\"}],\"size\":0,\"content\":[]")}},
    {"an xattr twice",
     {FILE_LINE("/a", ",\"xattrs\":[{\"name\":\"user.x\",\"value\":\"\"},{\"name\":\"user.x\",\"value\":\"\"}],"
                      "\"size\":0,\"content\":[]")}},
    {"xattrs that are no list", {FILE_LINE("/a", ",\"xattrs\":{},\"size\":0,\"content\":[]")}},
    {"no JSON", {"{"}},
    {"a list", {"[]"}},
    {"nothing at all", {""}},
    {"two objects in a line", {FOLDER_LINE("/a") FOLDER_LINE("/b")}},
};

static void refuses_hostile_lines(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    vault_init(fixture);
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        const char *lines[6] = {HEADER};
        size_t count = 1;
        for (size_t j = 0; j < 4 && hostile[i].lines[j] != NULL; j++) {
            lines[count++] = hostile[i].lines[j];
        }
        lines[count++] = END("1", "0", "0");
        enum error_code code = read_lines(fixture, lines, count, &error);
        if (code != CSN_REPOSITORY_DAMAGED || strstr(error.message, "sums do not fit") != NULL) {
            fail_msg("%s was not refused (%s)", hostile[i].why, code == CSN_NONE ? "" : error.message);
        }
    }
}

static void takes_honest_lines(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    vault_init(fixture);
    static const char *const empty[] = {HEADER, END("0", "0", "0")};
    assert_int_equal(read_lines(fixture, empty, 2, &error), CSN_NONE);
    static const char *const all[] = {
        HEADER,
        FOLDER_LINE("/"),
        FILE_LINE("/a", ",\"size\":3,\"content\":[[\"" HEX "\",1]],\"more\":true"),
        "{\"content\":[[null,2]]}",
        FOLDER_LINE("/b"),
        FILE_LINE("/b/link", ",\"hardlink\":\"/a\""),
        "{\"path64\":\"L2L/\",\"type\":\"fifo\"," COMMON ",\"unknown\":[[[]]]}",
        "{\"path\":\"/d\",\"type\":\"character device\"," COMMON ",\"device\":[1,4294967295]}",
        END("6", "1", "3"),
    };
    if (read_lines(fixture, all, sizeof all / sizeof all[0], &error) != CSN_NONE) {
        fail_msg("%s", error.message);
    }
}

static void refuses_wrong_ends(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const lines[][4] = {
        {HEADER, FOLDER_LINE("/a"), END("2", "0", "0")},
        {HEADER, FOLDER_LINE("/a"), END("1", "1", "0")},
        {HEADER, FOLDER_LINE("/a"), END("1", "0", "1")},
        {HEADER, FOLDER_LINE("/a"), END("-1", "0", "0")},
        {HEADER, FOLDER_LINE("/a"),
         "{\"end\":true,\"entries\":1,\"files\":0,\"bytes\":0,\"changed\":0,\"sha256\":\"" HEX "\"}"},
        {HEADER, FOLDER_LINE("/a"), FOLDER_LINE("/b")},
        {FOLDER_LINE("/a"), FOLDER_LINE("/b"), END("2", "0", "0")},
        {"{\"format\":\"caisson-snapshot\",\"version\":1}", FOLDER_LINE("/b"), END("1", "0", "0")},
        {"{\"format\":\"other\",\"version\":1}", FOLDER_LINE("/b"), END("1", "0", "0")},
    };
    struct error error;
    vault_init(fixture);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (read_lines(fixture, lines[i], 3, &error) != CSN_REPOSITORY_DAMAGED) {
            fail_msg("snapshot %zu was not refused", i);
        }
    }
    static const char *const one[] = {HEADER};
    assert_int_equal(read_lines(fixture, one, 1, &error), CSN_REPOSITORY_DAMAGED);
    static const char *const newer[] = {"{\"format\":\"caisson-snapshot\",\"version\":2}", END("0", "0", "0")};
    assert_int_equal(read_lines(fixture, newer, 2, &error), CSN_REPOSITORY_VERSION);
}

static void refuses_sources_that_are_not_sound(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const sources[] = {"[]", "[{\"name\":\"a\"}]", "[{\"name\":\"/a/../b\"}]", "[7]", "{}"};
    struct error error;
    char header[512];
    vault_init(fixture);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        snprintf(
            header, sizeof header,
            "{\"format\":\"caisson-snapshot\",\"version\":1,\"time\":\"t\",\"began\":1,\"host\":\"h\",\"label\":\"\","
            "\"tool\":\"t\",\"sources\":%s,\"excludes\":[],\"tags\":{}}",
            sources[i]);
        const char *const lines[] = {header, END("0", "0", "0")};
        assert_int_equal(read_lines(fixture, lines, 2, &error), CSN_REPOSITORY_DAMAGED);
    }
}

/* --- many entries, and one with very many pieces --- */

#define FILES 20000
#define LARGE 7777 /* this one has MANY pieces */
#define MANY 30000

static void name_of(size_t number, char path[32])
{
    snprintf(path, 32, "opt/f%06zu", number);
}

static void write_many(const struct fixture *fixture, uint8_t id[SHA256_SIZE])
{
    struct error error;
    struct strings sources = {0};
    uint64_t stored = 0;
    char path[32];
    uint8_t digest[SHA256_SIZE];
    int fd = snapshots_of(fixture);
    assert_int_equal(strings_add(&sources, "/opt", &error), 0);
    const struct repository_tag tag = {.key = "run", .value = "7"};
    struct snapshot_header header = {
        .time = "2026-11-23T03:06:26.123Z",
        .began_sec = 1795000000,
        .host = "server",
        .label = "a label",
        .tool = "a tool",
        .sources = &sources,
        .tags = &tag,
        .tag_count = 1,
    };
    struct snapshot_writer *writer = snapshot_writer_new(&(struct stored_folder){.fd = fd}, &header, &error);
    assert_non_null(writer);
    for (size_t i = 0; i < FILES; i++) {
        struct snapshot_entry entry = {.tree = {.path = path, .type = TREE_FILE, .mode = 0644, .nlink = 1, .uid = 7}};
        size_t pieces = i == LARGE ? MANY : 1;
        name_of(i, path);
        for (size_t j = 0; j < pieces; j++) {
            sha256_of(&j, sizeof j, digest);
            assert_int_equal(snapshot_entry_add(&entry, j == 3 ? NULL : digest, 1000 + j, &error), 0);
            entry.tree.size_bytes += 1000 + j;
        }
        assert_int_equal(snapshot_writer_add(writer, &entry, &error), 0);
        free(entry.pieces);
    }
    assert_int_equal(snapshot_writer_commit(writer, id, &stored, &error), 0);
    snapshot_writer_free(writer);
    strings_free(&sources);
    close(fd);
}

static void check_large(const struct snapshot_entry *entry)
{
    assert_int_equal(entry->piece_count, MANY);
    for (size_t j = 0; j < MANY; j++) {
        uint8_t digest[SHA256_SIZE];
        sha256_of(&j, sizeof j, digest);
        assert_int_equal(entry->pieces[j].size_bytes, 1000 + j);
        assert_int_equal(snapshot_piece_is_hole(&entry->pieces[j]), j == 3);
        if (j != 3) {
            assert_memory_equal(entry->pieces[j].id, digest, SHA256_SIZE);
        }
    }
}

static void seeks_to_any_path(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    uint8_t id[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    char path[32];
    const struct snapshot_entry *entry = NULL;
    vault_init(fixture);
    write_many(fixture, id);
    hex_encode(id, SHA256_SIZE, hex);
    assert_int_equal(read_all(fixture, hex, &error), CSN_NONE);
    struct snapshot_reader *reader = open_id(fixture, hex, &error);
    assert_non_null(reader);
    assert_int_equal(snapshot_reader_totals(reader)->entries, FILES);
    assert_string_equal(snapshot_reader_about(reader)->label, "a label");
    assert_string_equal(snapshot_reader_about(reader)->tag_values.items[0], "7");
    for (size_t i = 0; i<FILES + 300; i += i> LARGE - 40 && i < LARGE + 40 ? 1 : 113) {
        size_t number = i % FILES;
        name_of(number, path);
        assert_int_equal(snapshot_reader_seek(reader, path, &error), 0);
        assert_int_equal(snapshot_reader_next(reader, &entry, &error), 1);
        assert_string_equal(entry->tree.path, path);
        if (number == LARGE) {
            check_large(entry);
        }
        if (number + 1 < FILES) {
            name_of(number + 1, path);
            assert_int_equal(snapshot_reader_next(reader, &entry, &error), 1);
            assert_string_equal(entry->tree.path, path);
        }
    }
    assert_int_equal(snapshot_reader_seek(reader, "opt/f000003x", &error), 0);
    assert_int_equal(snapshot_reader_next(reader, &entry, &error), 1);
    assert_string_equal(entry->tree.path, "opt/f000004");
    assert_int_equal(snapshot_reader_seek(reader, "a", &error), 0);
    assert_int_equal(snapshot_reader_next(reader, &entry, &error), 1);
    assert_string_equal(entry->tree.path, "opt/f000000");
    assert_int_equal(snapshot_reader_seek(reader, "z", &error), 0);
    assert_int_equal(snapshot_reader_next(reader, &entry, &error), 0);
    snapshot_reader_close(reader);
}

static void refuses_to_write_out_of_order(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct strings sources = {0};
    char first[] = "b";
    char second[] = "a";
    vault_init(fixture);
    assert_int_equal(strings_add(&sources, "/", &error), 0);
    struct snapshot_header header = {.time = "", .host = "", .label = "", .tool = "", .sources = &sources};
    int fd = snapshots_of(fixture);
    struct snapshot_writer *writer = snapshot_writer_new(&(struct stored_folder){.fd = fd}, &header, &error);
    struct snapshot_entry entry = {.tree = {.path = first, .type = TREE_FOLDER}};
    assert_int_equal(snapshot_writer_add(writer, &entry, &error), 0);
    entry.tree.path = second;
    assert_int_equal(snapshot_writer_add(writer, &entry, &error), -1);
    assert_int_equal(error.code, CSN_INTERNAL);
    snapshot_writer_free(writer);
    assert_int_equal(vault_files(fixture, "vault/snapshots", "", NULL), 0);
    strings_free(&sources);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_hostile_lines, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(takes_honest_lines, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_wrong_ends, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_sources_that_are_not_sound, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(seeks_to_any_path, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_to_write_out_of_order, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
