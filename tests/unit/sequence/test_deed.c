/* What is done to a server is in its journal first and undone from there, wherever it was cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "sequence/deed.h"
#include "target/place.h"

static struct journal journal;
static struct deed_place place;
static struct error error;
static char *before;

/* The server is the folder r, the stick the folder s. */
static void open_stick(void)
{
    int dir_fd = open(place_path("s"), O_RDONLY | O_DIRECTORY);
    journal_init(&journal);
    if (faccessat(dir_fd, JOURNAL_FILE, F_OK, 0) == 0) {
        assert_int_equal(journal_read(&journal, dir_fd, JOURNAL_FILE, &error), 0);
    }
    assert_int_equal(journal_attach(&journal, dir_fd, JOURNAL_FILE, "stick", &error), 0);
    file_drop(&dir_fd);
}

static int setup(void **state)
{
    (void)state;
    error = (struct error){0};
    place_make();
    place_write("r/opt/app/VERSION", "1\n");
    place_write("r/opt/app/files/one", "of the site\n");
    place_write("r/etc/conf", "a = 1\n");
    place_folder("r/etc/systemd/system");
    place_folder("s");
    place_run("find r -exec touch -h -d '2021-02-03 04:05:06.789012345' {} +");
    before = place_snapshot("r");
    open_stick();
    place = (struct deed_place){open(place_path("r"), O_RDONLY | O_DIRECTORY), &journal, "stage"};
    return place.root_fd < 0 ? -1 : 0;
}

static int undo_quick(const struct deed_place *at, struct error *why)
{
    return deed_undo_renames(at, why) != 0 ? -1 : deed_undo_fence(at, why);
}

static int teardown(void **state)
{
    (void)state;
    free(before);
    journal_free(&journal);
    file_drop(&place.root_fd);
    place_remove();
    return 0;
}

/* The power goes: what is known comes from the stick. */
static void cut(void)
{
    journal_free(&journal);
    open_stick();
}

#define assert_done(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static void assert_as_before(void)
{
    char *now = place_snapshot("r");
    assert_string_equal(now, before);
    free(now);
}

static void assert_refused(int result, enum error_code code, const char *words)
{
    assert_int_equal(result, -1);
    assert_string_equal(error_entry(error.code)->code, error_entry(code)->code);
    assert_non_null(strstr(error.message, words));
}

static void assert_version(const char *path, const char *wanted)
{
    struct buffer text = {0};
    assert_done(file_read(AT_FDCWD, place_path(path), 100, &text, &error));
    assert_string_equal(buffer_text(&text), wanted);
    buffer_free(&text);
}

/* The new version beside the old, as stage makes it. */
static int64_t create(const char *path, const char *inside)
{
    char file[256];
    int64_t seq = 0;
    assert_done(deed_create_begin(&place, path, &seq, &error));
    snprintf(file, sizeof file, "r%s/%s", path, inside);
    place_write(file, "2\n");
    return seq;
}

static void stage(void)
{
    int64_t seq = create("/opt/app.new", "VERSION");
    assert_done(deed_create_end(&place, seq, &error));
}

static void undo_all(void)
{
    assert_done(undo_quick(&place, &error));
    assert_done(deed_undo_created(&place, NULL, &error));
}

static void test_nothing_done_nothing_undone(void **state)
{
    (void)state;
    undo_all();
    assert_int_equal(journal.count, 0);
    assert_as_before();
}

static void test_an_intent_comes_first(void **state)
{
    (void)state;
    int64_t seq = 0;
    assert_done(deed_create_begin(&place, "/opt/app.new", &seq, &error));
    cut();
    assert_int_equal(seq, 1);
    yyjson_val *record = journal_record(&journal, 0);
    assert_true(journal_is(record, "intent"));
    assert_string_equal(journal_get(record, "deed"), "create");
    assert_string_equal(journal_get(record, "path"), "/opt/app.new");
    assert_string_equal(journal_get(record, "step"), "stage");
    undo_all();
    assert_as_before();
}

static void test_created_and_undone(void **state)
{
    (void)state;
    stage();
    undo_all();
    assert_as_before();
    size_t count = journal.count;
    undo_all();
    assert_int_equal(journal.count, count); /* nothing is undone twice */
}

/* What another put there is not ours to replace; what our cut try left is. */
static void test_what_stands_in_the_way(void **state)
{
    (void)state;
    int64_t seq = 0;
    int64_t again = 0;
    assert_refused(deed_create_begin(&place, "/opt/app", &seq, &error), CSN_TREE_WRITE, "/opt/app is already there");
    assert_int_equal(journal.count, 0);
    seq = create("/opt/app.new", "half");
    cut();
    assert_done(deed_create_begin(&place, "/opt/app.new", &again, &error));
    assert_int_equal(again, seq);
    assert_int_not_equal(access(place_path("r/opt/app.new"), F_OK), 0);
    undo_all();
    assert_as_before();
}

static void test_exchanged_and_back(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_version("r/opt/app/VERSION", "2\n");
    assert_version("r/opt/app.new/VERSION", "1\n");
    size_t count = journal.count;
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error)); /* the step is done again */
    assert_int_equal(journal.count, count);
    assert_version("r/opt/app/VERSION", "2\n");
    undo_all();
    assert_as_before();
}

static void test_done_again_after_going_back(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_done(undo_quick(&place, &error));
    assert_version("r/opt/app/VERSION", "1\n");
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_version("r/opt/app/VERSION", "2\n");
    undo_all();
    assert_as_before();
}

/* Takes the last n lines off the stick's journal: the records that were not written when the power went. */
static void forget_records(int n)
{
    char script[128];
    snprintf(script, sizeof script, "head -n -%d s/journal.jsonl >s/new && mv s/new s/journal.jsonl", n);
    place_run(script);
    cut();
}

static void test_cut_between_rename_and_record(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    forget_records(1); /* "done" */
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_version("r/opt/app/VERSION", "2\n");
    forget_records(1);
    undo_all();
    assert_as_before();
}

static void test_cut_between_record_and_rename(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    forget_records(1);
    place_run("mv r/opt/app r/opt/x && mv r/opt/app.new r/opt/app && mv r/opt/x r/opt/app.new");
    undo_all();
    assert_as_before();
}

static void test_cut_between_undoing_and_its_record(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_done(undo_quick(&place, &error));
    forget_records(1); /* "undone" */
    undo_all();
    assert_as_before();
}

/* Attachments inside the program tree move into the new one. The last rename is the first to be undone. */
static void test_moved_and_back(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_done(deed_move(&place, "/opt/app.new/files", "/opt/app/files", &error));
    assert_version("r/opt/app/files/one", "of the site\n");
    assert_int_not_equal(access(place_path("r/opt/app.new/files"), F_OK), 0);
    undo_all();
    assert_as_before();
}

static void test_renames_that_cannot_be(void **state)
{
    (void)state;
    assert_refused(deed_exchange(&place, "/opt/app", "/opt/none", &error), CSN_TREE_RENAME, "/opt/none");
    assert_refused(deed_exchange(&place, "/opt/none", "/opt/app", &error), CSN_TREE_RENAME, "/opt/none");
    assert_refused(deed_move(&place, "/opt/app", "/etc/conf", &error), CSN_TREE_RENAME, "/etc/conf");
    assert_int_equal(journal.count, 0);
    assert_as_before();
}

/* Somebody worked on the server in between: neither as before nor as after, and nothing is guessed or removed. */
static void test_a_stranger_in_the_place(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    place_run("mv r/opt/app r/opt/gone && mkdir r/opt/app");
    assert_refused(undo_quick(&place, &error), CSN_SEQUENCE_ROLLBACK_FAILED, "/opt/app");
    assert_refused(deed_undo_created(&place, NULL, &error), CSN_SEQUENCE_ROLLBACK_FAILED, "/opt/app");
    assert_version("r/opt/app.new/VERSION", "1\n");
}

/* A snapshot of the server from before the new version was made is put back: the old one is at its place, and that is all that is wanted. */
static void test_an_earlier_state_put_back(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    place_run("mv r/opt/app.new r/opt/x && rm -r r/opt/app && mv r/opt/x r/opt/app");
    undo_all();
    assert_as_before();
}

/* Somebody moved it back himself and removed the folder of ours that it lay in; before the release and after. */
static void test_put_back_by_hand(void **state)
{
    (void)state;
    for (int released = 0; released < 2; released++) {
        assert_done(deed_folder_of(&place, "/opt/.ours/app", &error));
        int64_t seq = create("/opt/.ours/app", "VERSION");
        assert_done(deed_create_end(&place, seq, &error));
        assert_done(deed_exchange(&place, "/opt/app", "/opt/.ours/app", &error));
        if (released == 1) {
            assert_done(journal_note(&journal, &error, "released", NULL));
        }
        place_run("rm -r r/opt/app && mv r/opt/.ours/app r/opt/app && rmdir r/opt/.ours");
        undo_all();
        place_run("touch -d '2021-02-03 04:05:06.789012345' r/opt");
        assert_as_before();
    }
    /* While the old version is gone, too, that is for a person. */
    assert_done(deed_folder_of(&place, "/opt/.ours/app", &error));
    create("/opt/.ours/app", "VERSION");
    assert_done(deed_exchange(&place, "/opt/app", "/opt/.ours/app", &error));
    place_run("rm -r r/opt/.ours");
    assert_refused(undo_quick(&place, &error), CSN_SEQUENCE_ROLLBACK_FAILED, "/opt/.ours/app");
    assert_version("r/opt/app/VERSION", "2\n");
}

/* The old version stands where the new one was made: it is not removed. */
static void test_created_is_kept_while_it_holds_the_old(void **state)
{
    (void)state;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_refused(deed_undo_created(&place, NULL, &error), CSN_SEQUENCE_ROLLBACK_FAILED, "nothing is removed");
    assert_version("r/opt/app.new/VERSION", "1\n");
    undo_all();
    assert_as_before();
}

static void test_dropped(void **state)
{
    (void)state;
    create("/etc/conf.new", "x");
    stage();
    assert_done(deed_drop(&place, "/etc/conf.new", NULL, &error));
    assert_int_not_equal(access(place_path("r/etc/conf.new"), F_OK), 0);
    assert_version("r/opt/app.new/VERSION", "2\n");
    size_t count = journal.count;
    assert_done(deed_drop(&place, "/etc/conf.new", NULL, &error));
    assert_done(deed_drop(&place, "/etc/never", NULL, &error));
    assert_int_equal(journal.count, count);
    undo_all();
    assert_as_before();
}

/* A folder of ours is made once, is root's alone, and goes with the last thing in it. */
static void test_folder(void **state)
{
    (void)state;
    struct stat status;
    for (int i = 0; i < 2; i++) {
        assert_done(deed_folder_of(&place, "/etc/.ours/conf", &error));
        create("/etc/.ours/conf", "VERSION");
        assert_done(deed_folder_of(&place, "/etc/.ours/other", &error));
        create("/etc/.ours/other", "VERSION");
        assert_int_equal(stat(place_path("r/etc/.ours"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_version("r/etc/.ours/conf/VERSION", "2\n");
        assert_done(deed_drop(&place, "/etc/.ours/conf", NULL, &error));
        assert_version("r/etc/.ours/other/VERSION", "2\n");
        assert_done(deed_drop(&place, "/etc/.ours/other", NULL, &error));
        assert_int_not_equal(access(place_path("r/etc/.ours"), F_OK), 0);
    }
    assert_done(deed_folder_of(&place, "/etc/.ours/conf", &error));
    stage();
    undo_all();
    assert_as_before();
    place_run("mkdir r/etc/.ours");
    assert_refused(deed_folder_of(&place, "/etc/.ours/conf", &error), CSN_TREE_WRITE, "is not of this run");
    place_run("rmdir r/etc/.ours");
}

static struct fence_file fence_file(const char *path, const char *made)
{
    struct stat status;
    assert_int_equal(stat(place_path(made == NULL ? "r/etc/systemd/system" : "r/etc"), &status), 0);
    return (struct fence_file){
        .path = (char *)path,
        .content = (char *)"[Unit]\nConditionPathExists=!/etc/caisson/fence\n",
        .made = (char *)made,
        .parent = (char *)(made == NULL ? "/etc/systemd/system" : "/etc"),
        .parent_time_sec = status.st_mtim.tv_sec,
        .parent_time_nsec = status.st_mtim.tv_nsec,
    };
}

static void test_fenced_and_back(void **state)
{
    (void)state;
    struct fence_file unit = fence_file("/etc/systemd/system/app.conf", NULL);
    struct fence_file flag = fence_file(FENCE_FLAG, "/etc/caisson");
    place.step = "fence";
    assert_done(deed_fence(&place, &unit, &error));
    assert_done(deed_fence(&place, &flag, &error));
    assert_true(fence_is_up(place.root_fd));
    forget_records(1);
    assert_done(deed_fence(&place, &flag, &error)); /* the step is done again */
    size_t intents = 0;
    for (size_t i = 0; i < journal.count; i++) {
        intents += journal_is(journal_record(&journal, i), "intent");
    }
    assert_int_equal(intents, 2);
    place.step = "stage";
    stage();
    assert_done(deed_undo_step(&place, "fence", &error)); /* as release does: the new version stays */
    assert_false(fence_is_up(place.root_fd));
    assert_int_not_equal(access(place_path("r/etc/systemd/system/app.conf"), F_OK), 0);
    assert_version("r/opt/app.new/VERSION", "2\n");
    undo_all();
    assert_as_before();
}

/* Somebody took it down by hand: that is no reason to stop, and the journal says it. */
static void test_a_fence_that_is_not_there_any_more(void **state)
{
    (void)state;
    struct fence_file unit = fence_file("/etc/systemd/system/app.conf", NULL);
    struct fence_file flag = fence_file(FENCE_FLAG, "/etc/caisson");
    assert_done(deed_fence(&place, &unit, &error));
    assert_done(deed_fence(&place, &flag, &error));
    place_run("rm r/etc/systemd/system/app.conf");
    undo_all();
    assert_as_before();
    size_t missing = 0;
    for (size_t i = 0; i < journal.count; i++) {
        yyjson_val *record = journal_record(&journal, i);
        if (yyjson_get_bool(yyjson_obj_get(record, "missing"))) {
            assert_true(journal_is(record, "undone"));
            assert_int_equal(journal_get_number(record, "of"), 1);
            missing++;
        }
    }
    assert_int_equal(missing, 1);
}

/* While names are put back the fence holds: it is the last to go. */
static void test_the_fence_goes_last(void **state)
{
    (void)state;
    struct fence_file flag = fence_file(FENCE_FLAG, "/etc/caisson");
    assert_done(deed_fence(&place, &flag, &error));
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    place_run("mv r/opt/app r/opt/gone && mkdir r/opt/app");
    assert_refused(undo_quick(&place, &error), CSN_SEQUENCE_ROLLBACK_FAILED, "/opt/app");
    assert_true(fence_is_up(place.root_fd));
}

/* After the release people work: the time of a folder they have worked in is theirs. */
static void test_times_of_others_stay(void **state)
{
    (void)state;
    struct stat status;
    stage();
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_done(journal_note(&journal, &error, "released", NULL));
    place_run("touch -d '2037-01-01 00:00:00' r/opt");
    undo_all();
    assert_int_equal(stat(place_path("r/opt"), &status), 0);
    assert_int_equal(status.st_mtim.tv_sec, 2114380800);
}

/* Undoing changes the times of folders itself: after the release a cut right behind a rename or a removal must not pass for somebody's
 * work, nor lose the time of somebody's. */
static void test_times_after_a_cut_in_undoing(void **state)
{
    static const char *const works[] = {NULL, "touch -d '2037-01-01 00:00:00' r/opt"};
    (void)state;
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        for (int records = 1; records <= 3; records++) {
            struct stat status;
            stage();
            assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
            assert_done(journal_note(&journal, &error, "released", NULL));
            if (works[i] != NULL) {
                place_run(works[i]);
            }
            assert_done(undo_quick(&place, &error));
            if (records == 1) { /* behind the rename */
                forget_records(1);
                place_run("touch -d '2037-07-07 00:00:00' r/opt");
            }
            if (records == 2) { /* before it */
                forget_records(1);
                place_run("mv r/opt/app r/opt/x && mv r/opt/app.new r/opt/app && mv r/opt/x r/opt/app.new");
            }
            assert_done(undo_quick(&place, &error));
            assert_done(deed_undo_created(&place, NULL, &error));
            if (records == 3) { /* behind the removal */
                forget_records(1);
                place_run("touch -d '2037-07-07 00:00:00' r/opt");
                assert_done(deed_undo_created(&place, NULL, &error));
            }
            if (works[i] == NULL) {
                assert_as_before();
            } else {
                assert_int_equal(stat(place_path("r/opt"), &status), 0);
                assert_int_equal(status.st_mtim.tv_sec, 2114380800);
                place_run("touch -d '2021-02-03 04:05:06.789012345' r/opt");
            }
            journal_free(&journal);
            place_run("rm s/journal.jsonl");
            open_stick();
        }
    }
}

/* After the release an editor leaves another inode in the new version's place, or nothing at all; attachments are what stands there. */
static void test_back_from_what_people_made_of_it(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "cp -a r/opt/app r/opt/x && rm -rf r/opt/app && mv r/opt/x r/opt/app && echo 3 >r/opt/app/files/more",
        "mkdir r/opt/x && mv r/opt/app/files r/opt/x/ && rm -rf r/opt/app && mv r/opt/x r/opt/app",
        "echo b >r/etc/x && mv r/etc/x r/etc/conf",
        "rm r/etc/conf",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        int64_t seq = 0;
        stage();
        assert_done(deed_create_begin(&place, "/etc/conf.new", &seq, &error));
        place_write("r/etc/conf.new", "a = 2\n");
        assert_done(deed_create_end(&place, seq, &error));
        assert_done(deed_move(&place, "/opt/app/files", "/opt/app.new/files", &error));
        assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
        assert_done(deed_exchange(&place, "/etc/conf", "/etc/conf.new", &error));
        assert_done(journal_note(&journal, &error, "released", NULL));
        place_run(changes[i]);
        assert_done(deed_check_undo(&place, &error));
        assert_done(undo_quick(&place, &error));
        forget_records(1); /* the last "undone" */
        undo_all();
        if (i == 0) {
            place_run("rm r/opt/app/files/more");
        }
        place_run("find r -exec touch -h -d '2021-02-03 04:05:06.789012345' {} +");
        assert_as_before();
    }
}

/* What an undoing would fail at is known before it begins. */
static void test_asks_before_going_back(void **state)
{
    (void)state;
    static const struct {
        const char *spoil;
        const char *mend;
        enum error_code code;
        const char *words;
    } cases[] = {
        {"mv r/opt/app.new r/x", "mv r/x r/opt/app.new", CSN_SEQUENCE_TERM, "/opt/app.new"},
        {"mv r/opt/app.new r/x && mkdir r/opt/app.new", "rm -r r/opt/app.new && mv r/x r/opt/app.new",
         CSN_SEQUENCE_TERM, "/opt/app.new"},
        {"mkdir r/opt/app.new/files", "rmdir r/opt/app.new/files", CSN_SEQUENCE_NO_WAY_BACK,
         "/opt/app.new/files is in the way"},
    };
    stage();
    assert_done(deed_move(&place, "/opt/app/files", "/opt/app.new/files", &error));
    assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
    assert_done(journal_note(&journal, &error, "released", NULL));
    assert_done(deed_check_undo(&place, &error));
    size_t count = journal.count;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        place_run(cases[i].spoil);
        char *stood = place_snapshot("r");
        assert_refused(deed_check_undo(&place, &error), cases[i].code, cases[i].words);
        char *stands = place_snapshot("r");
        assert_string_equal(stands, stood);
        assert_int_equal(journal.count, count);
        free(stood);
        free(stands);
        place_run(cases[i].mend);
        assert_done(deed_check_undo(&place, &error));
    }
}

/* The fence that goes up again after the release may be cut, too: what its second half finds in the folder is the first's doing. */
static void test_times_below_a_fence_in_two_halves(void **state)
{
    (void)state;
    struct fence_file first = fence_file("/etc/systemd/system/app.conf", NULL);
    place.step = "fence";
    assert_done(deed_fence(&place, &first, &error));
    assert_done(deed_undo_step(&place, "fence", &error));
    assert_done(journal_note(&journal, &error, "released", NULL));
    place.step = "rollback";
    assert_done(deed_fence(&place, &first, &error));
    place_run("touch -d '2037-01-01 00:00:00' r/etc/systemd/system");
    struct fence_file second = fence_file("/etc/systemd/system/db.conf", NULL);
    assert_done(deed_fence(&place, &second, &error));
    undo_all();
    assert_as_before();
}

/* A cut leaves any beginning of the journal, and the server as far: from each, undoing brings it back. */
static void test_undone_from_everywhere(void **state)
{
    (void)state;
    for (int deeds = 1; deeds <= 5; deeds++) {
        struct fence_file flag = fence_file(FENCE_FLAG, "/etc/caisson");
        assert_done(deed_fence(&place, &flag, &error));
        if (deeds > 1) {
            stage();
        }
        if (deeds > 2) {
            create("/etc/conf.new", "x");
        }
        if (deeds > 3) {
            assert_done(deed_exchange(&place, "/opt/app", "/opt/app.new", &error));
        }
        if (deeds > 4) {
            assert_done(deed_move(&place, "/opt/app.new/files", "/opt/app/files", &error));
        }
        cut();
        undo_all();
        assert_as_before();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_done_nothing_undone),
        TEST(test_an_intent_comes_first),
        TEST(test_created_and_undone),
        TEST(test_what_stands_in_the_way),
        TEST(test_exchanged_and_back),
        TEST(test_done_again_after_going_back),
        TEST(test_cut_between_rename_and_record),
        TEST(test_cut_between_record_and_rename),
        TEST(test_cut_between_undoing_and_its_record),
        TEST(test_moved_and_back),
        TEST(test_renames_that_cannot_be),
        TEST(test_a_stranger_in_the_place),
        TEST(test_an_earlier_state_put_back),
        TEST(test_put_back_by_hand),
        TEST(test_created_is_kept_while_it_holds_the_old),
        TEST(test_dropped),
        TEST(test_folder),
        TEST(test_fenced_and_back),
        TEST(test_a_fence_that_is_not_there_any_more),
        TEST(test_the_fence_goes_last),
        TEST(test_times_of_others_stay),
        TEST(test_times_after_a_cut_in_undoing),
        TEST(test_back_from_what_people_made_of_it),
        TEST(test_asks_before_going_back),
        TEST(test_times_below_a_fence_in_two_halves),
        TEST(test_undone_from_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
