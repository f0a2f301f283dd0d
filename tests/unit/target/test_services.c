/* The fence: which units, which files; made and taken away again without a trace, from any half-way state. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "target/place.h"
#include "target/services.h"

static struct profiles profiles;
static struct target target;

static const char tiny[] =
    "[profile]\nname = tiny\n"
    "[program]\nroot = /opt/tiny\nversion-file = VERSION\nversion-pattern = (.+)\n"
    "[database]\nengine = postgresql-cluster\ncluster = /var/lib/postgresql/*/main\nname = tiny\n"
    "[services]\nunits = tiny.service, work@.service\ndatabase-units = postgresql.service\n"
    "[health]\nurl = http://127.0.0.1/\n";

static void make_server(void)
{
    place_write("r/opt/tiny/VERSION", "1\n");
    place_write("r/var/lib/postgresql/15/main/PG_VERSION", "15\n");
    place_write("r/usr/lib/systemd/systemd", "elf");
    place_link("r/lib", "usr/lib");
    place_link("r/sbin", "usr/sbin");
    place_link("r/usr/sbin/init", "../lib/systemd/systemd");
    place_write("r/usr/lib/systemd/system/postgresql.service", "[Service]\nExecStart=/bin/true\n");
    place_write("r/usr/lib/systemd/system/postgresql@.service", "[Service]\nExecStart=pg_ctlcluster %i start\n");
    place_write("r/etc/systemd/system/tiny.service", "[Service]\nExecStart=/opt/tiny/run\n");
    place_write("r/etc/systemd/system/tiny.timer", "[Timer]\n");
    place_write("r/usr/lib/systemd/system/nightly.timer", "[Timer]\nOnCalendar=daily\n Unit = tiny.service\n");
    place_write("r/usr/lib/systemd/system/door.socket", "[Socket]\nService=work@.service\n");
    place_write("r/usr/lib/systemd/system/ssh.socket", "[Socket]\nService=ssh.service\n");
    place_write("r/usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd\n");
}

static int setup(void **state)
{
    (void)state;
    struct profile profile;
    struct error error = {0};
    place_make();
    make_server();
    assert_int_equal(profile_parse(&profile, "test", tiny, strlen(tiny), &error), 0);
    assert_int_equal(profiles_add(&profiles, &profile, &error), 0);
    struct target_options options = {.root_folder = place_path("r"), .profiles = &profiles};
    if (target_open(&target, &options, &error) != 0) {
        fail_msg("%s", error.message);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(target_close(&target, &error), 0);
    profiles_free(&profiles);
    place_remove();
    return 0;
}

static void plan(struct fence *fence, const struct strings *more)
{
    struct error error = {0};
    if (services_fence(fence, &target, more, &error) != 0) {
        fail_msg("%s", error.message);
    }
}

static void apply(const struct fence_file *file)
{
    struct error error = {0};
    if (fence_apply_one(target.root_fd, file, &error) != 0) {
        fail_msg("%s", error.message);
    }
}

static void undo(const struct fence_file *file)
{
    struct error error = {0};
    if (fence_undo_one(target.root_fd, file, &error) != 0) {
        fail_msg("%s", error.message);
    }
}

static bool has_finding(const struct fence *fence, const char *words)
{
    for (size_t i = 0; i < fence->findings.count; i++) {
        if (strstr(fence->findings.items[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

static void units(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "tiny.service", "work@.service", "postgresql.service", "postgresql@15-main.service",
        "new.service",  "tiny.timer",    "nightly.timer",      "door.socket"};
    struct fence fence;
    struct strings more = {0};
    struct error error = {0};
    assert_int_equal(strings_add(&more, "new.service", &error), 0);
    plan(&fence, &more);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (!strings_has(&fence.units, wanted[i])) {
            fail_msg("%s is not fenced", wanted[i]);
        }
    }
    assert_int_equal(fence.units.count, sizeof wanted / sizeof wanted[0]);
    assert_int_equal(fence.count, fence.units.count + 1);
    assert_string_equal(fence.items[0].path, "/etc/systemd/system/tiny.service.d/zzz-caisson-fence.conf");
    assert_non_null(strstr(fence.items[0].content, "[Unit]\nConditionPathExists=!/etc/caisson/fence\n"));
    assert_string_equal(fence.items[0].made, "/etc/systemd/system/tiny.service.d");
    assert_string_equal(fence.items[0].parent, "/etc/systemd/system");
    assert_string_equal(fence.items[fence.count - 1].path, FENCE_FLAG);
    assert_string_equal(fence.items[fence.count - 1].made, "/etc/caisson");
    assert_int_equal(fence.findings.count, 0);
    fence_free(&fence);
    strings_free(&more);
    assert_int_equal(strings_add(&more, "../evil", &error), 0);
    assert_int_equal(services_fence(&fence, &target, &more, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_SERVICES);
    strings_free(&more);
}

static void alias(void **state)
{
    (void)state;
    struct fence fence;
    place_run("mv r/etc/systemd/system/tiny.service r/usr/lib/systemd/system/tinyd.service");
    place_link("r/etc/systemd/system/tiny.service", "/usr/lib/systemd/system/tinyd.service");
    place_write("r/usr/lib/systemd/system/tinyd.socket", "[Socket]\n");
    plan(&fence, NULL);
    assert_true(strings_has(&fence.units, "tinyd.service"));
    assert_true(strings_has(&fence.units, "tinyd.socket"));
    fence_free(&fence);
    /* masked: a link to nowhere is no alias */
    place_run("rm r/etc/systemd/system/tiny.service && ln -s /dev/null r/etc/systemd/system/tiny.service");
    plan(&fence, NULL);
    assert_false(strings_has(&fence.units, "null"));
    fence_free(&fence);
}

/* Wherever its data lie, a cluster of Debian's is started by the name of its folder in /etc/postgresql. */
static void cluster_elsewhere(void **state)
{
    (void)state;
    struct fence fence;
    place_write("r/etc/postgresql/15/erp/postgresql.conf", "data_directory = '/data/15/main'\n");
    place_write("r/etc/postgresql/15/other/postgresql.conf", "data_directory = '/var/lib/postgresql/15/other'\n");
    place_link("r/data", "/var/lib/postgresql");
    plan(&fence, NULL);
    assert_true(strings_has(&fence.units, "postgresql@15-erp.service"));
    assert_false(strings_has(&fence.units, "postgresql@15-main.service"));
    fence_free(&fence);
}

static void findings(void **state)
{
    (void)state;
    struct fence fence;
    static const struct {
        const char *file;
        const char *content;
        const char *finding; /* NULL: none */
    } cases[] = {
        {"etc/systemd/system/backup.service", "[Service]\nExecStart=/bin/tar cf /b /opt/tiny\n",
         "the unit backup.service"},
        {"etc/systemd/system/cwd.service", "[Service]\nWorkingDirectory=-/opt/tiny/\n", "the unit cwd.service"},
        {"etc/systemd/system/tools.service", "[Service]\nExecStart=/opt/tiny-tools/run\n", NULL},
        {"etc/systemd/system/doc.service", "[Service]\n# /opt/tiny\nDocumentation=http://host/opt/tiny\n", NULL},
        {"etc/systemd/system/ssh.service.d/x.conf", "[Service]\nExecStartPre=/opt/tiny/run\n",
         "/etc/systemd/system/ssh.service.d/x.conf uses"},
        {"etc/systemd/system/tiny.service.d/x.conf", "[Service]\nExecStartPre=/opt/tiny/run\n", NULL},
        {"home/otto/.config/systemd/user/own.service", "[Service]\nExecStart=/opt/tiny/run\n", "the unit own.service"},
        {"etc/cron.d/app", "# /opt/tiny\n*/5 * * * * www /opt/tiny/cron.php\n", "cron (/etc/cron.d/app) uses"},
        {"etc/cron.d/link", "1 1 * * * www cd /srv/app; ./jobs\n", "cron (/etc/cron.d/link) uses"},
        {"etc/cron.d/data", "1 1 * * * root du /var/lib/postgresql/15/main/base/1 >/dev/null\n",
         "cron (/etc/cron.d/data)"},
        {"etc/cron.d/off", "# @reboot nothing\n@daily root /usr/bin/true\n", NULL},
        {"etc/cron.daily/tidy", "#!/bin/sh\n#/opt/tiny\n\trm -f \"/srv/app/tmp/x y\"\n", "/etc/cron.daily/tidy uses"},
        {"var/spool/cron/crontabs/root", "@reboot /usr/local/bin/start-it\n",
         "cron (/var/spool/cron/crontabs/root) starts something at boot"},
        {"etc/rc.local", "#!/bin/sh\n/usr/local/bin/tinyd &\n", "/etc/rc.local uses the application"},
        {"etc/init.d/tiny", "#!/bin/sh\n/opt/tiny/run\n", NULL},
        {"etc/init.d/tinymail", "#!/bin/sh\nDAEMON=/opt/tiny/mail\n", "/etc/init.d/tinymail uses"},
        {"etc/supervisor/conf.d/t.conf", "[program:t]\ncommand=/opt/tiny/run\n", "/etc/supervisor/conf.d/t.conf uses"},
    };
    size_t wanted = 1;
    place_link("r/srv/app", "../opt/tiny");
    place_link("r/usr/local/bin/tinyd", "/srv/app/run");
    place_write("r/opt/tiny/run", "x");
    /* Enabled by its file in the tree; and a name that is only another one's. */
    place_write("r/opt/tiny/linked.service", "[Service]\nExecStart=/opt/tiny/run\n");
    place_link("r/etc/systemd/system/linked.service", "/opt/tiny/linked.service");
    place_link("r/etc/systemd/system/alias.service", "tiny.service");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[300];
        snprintf(path, sizeof path, "r/%s", cases[i].file);
        place_write(path, cases[i].content);
    }
    plan(&fence, NULL);
    assert_true(has_finding(&fence, "the unit linked.service uses the application"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wanted += cases[i].finding != NULL;
        if (cases[i].finding != NULL && !has_finding(&fence, cases[i].finding)) {
            fail_msg("no finding for %s", cases[i].file);
        }
    }
    for (size_t i = 0; fence.findings.count != wanted && i < fence.findings.count; i++) {
        print_message("%s\n", fence.findings.items[i]);
    }
    assert_int_equal(fence.findings.count, wanted);
    assert_false(strings_has(&fence.units, "backup.service"));
    fence_free(&fence);
}

static void not_systemd(void **state)
{
    (void)state;
    struct fence fence;
    struct error error = {0};
    char *before = place_snapshot("r");
    place_run("mv r/usr/sbin/init r/init");
    assert_int_equal(services_fence(&fence, &target, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_SERVICES);
    assert_non_null(strstr(error.message, "no /sbin/init, though systemd is there"));
    place_write("r/usr/sbin/busybox", "elf");
    place_link("r/usr/sbin/init", "busybox");
    assert_int_equal(services_fence(&fence, &target, NULL, &error), -1);
    assert_non_null(strstr(error.message, "starts with /usr/sbin/busybox, not with systemd"));
    assert_int_equal(fence.count, 0);
    free(before);
}

/* Up, down again in reverse: not a byte and not a time differs, apart from access times. */
static void no_trace(void **state)
{
    (void)state;
    struct fence fence;
    place_write("r/etc/systemd/system/tiny.timer.d/mine.conf", "[Timer]\n");
    place_run("touch -d '2020-02-02 02:02:02.123456789' r/etc r/etc/systemd/system r/etc/systemd/system/tiny.timer.d");
    char *before = place_snapshot("r");
    plan(&fence, NULL);
    assert_false(fence_is_up(target.root_fd));
    for (size_t i = 0; i < fence.count; i++) {
        assert_false(fence_is_up(target.root_fd));
        apply(&fence.items[i]);
        apply(&fence.items[i]);
    }
    assert_true(fence_is_up(target.root_fd));
    assert_string_equal(place_run("stat -c %a r/etc/caisson/fence r/etc/systemd/system/work@.service.d | tr '\\n' ' '"),
                        "644 755 ");
    char *during = place_snapshot("r");
    assert_string_not_equal(before, during);
    for (size_t i = fence.count; i-- > 0;) {
        undo(&fence.items[i]);
        assert_false(fence_is_up(target.root_fd));
        undo(&fence.items[i]);
    }
    char *after = place_snapshot("r");
    assert_string_equal(before, after);
    free(before);
    free(during);
    free(after);
    fence_free(&fence);
}

/* Cut after n files (and with a half-written one beside the next); planned anew and carried on, as a resumed run does; then
 * both plans are undone, the later first. */
static void cut_anywhere(void **state)
{
    (void)state;
    struct fence first;
    char script[4400];
    char *before = place_snapshot("r");
    plan(&first, NULL);
    for (size_t cut = 0; cut <= first.count; cut++) {
        struct fence second;
        for (size_t i = 0; i < cut; i++) {
            apply(&first.items[i]);
        }
        if (cut < first.count) {
            snprintf(script, sizeof script, "mkdir -p r$(dirname '%s') && echo half >'r%s.4711.tmp'",
                     first.items[cut].path, first.items[cut].path);
            place_run(script);
        }
        plan(&second, NULL);
        for (size_t i = 0; i < second.count; i++) {
            apply(&second.items[i]);
        }
        assert_true(fence_is_up(target.root_fd));
        for (size_t i = second.count; i-- > 0;) {
            undo(&second.items[i]);
        }
        for (size_t i = first.count; i-- > 0;) {
            undo(&first.items[i]);
        }
        fence_free(&second);
        char *after = place_snapshot("r");
        assert_string_equal(before, after);
        free(after);
    }
    free(before);
    fence_free(&first);
}

static void not_ours(void **state)
{
    (void)state;
    struct fence fence;
    struct error error = {0};
    plan(&fence, NULL);
    place_write("r/etc/systemd/system/tiny.service.d/zzz-caisson-fence.conf", "[Unit]\n");
    assert_int_equal(fence_apply_one(target.root_fd, &fence.items[0], &error), -1);
    assert_int_equal(error.code, CSN_TARGET_SERVICES);
    assert_non_null(strstr(error.message, "not Caisson's"));
    assert_int_equal(fence_undo_one(target.root_fd, &fence.items[0], &error), -1);
    assert_non_null(strstr(error.message, "was changed since"));
    assert_string_equal(place_run("cat r/etc/systemd/system/tiny.service.d/zzz-caisson-fence.conf"), "[Unit]");
    /* A folder that somebody put something into stays. */
    apply(&fence.items[1]);
    place_write("r/etc/systemd/system/work@.service.d/theirs.conf", "x");
    undo(&fence.items[1]);
    place_run("test -e r/etc/systemd/system/work@.service.d/theirs.conf");
    /* One that somebody took away, with all above it that held units, is down already. */
    apply(&fence.items[2]);
    place_run("rm -r r/etc/systemd");
    undo(&fence.items[2]);
    place_run("test ! -e r/etc/systemd");
    fence_free(&fence);
}

static void json(void **state)
{
    (void)state;
    struct fence fence;
    plan(&fence, NULL);
    for (size_t i = 0; i < fence.count; i++) {
        struct fence_file back;
        yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *object = yyjson_mut_obj(document);
        yyjson_mut_doc_set_root(document, object);
        assert_true(fence_file_to_json(document, object, &fence.items[i]));
        yyjson_doc *read = yyjson_mut_doc_imut_copy(document, NULL);
        assert_true(fence_file_from_json(&back, yyjson_doc_get_root(read)));
        assert_string_equal(back.path, fence.items[i].path);
        assert_string_equal(back.content, fence.items[i].content);
        assert_string_equal(back.made, fence.items[i].made);
        assert_string_equal(back.parent, fence.items[i].parent);
        assert_true(back.parent_time_sec == fence.items[i].parent_time_sec);
        assert_true(back.parent_time_nsec == fence.items[i].parent_time_nsec);
        fence_file_free(&back);
        yyjson_doc_free(read);
        yyjson_mut_doc_free(document);
    }
    static const char *const bad[] = {"{}", "[]",
                                      "{\"path\":\"x\",\"content\":\"\",\"parent\":\"/\",\"parent_time_sec\":1,"
                                      "\"parent_time_nsec\":1}",
                                      "{\"path\":\"/x\",\"content\":\"\",\"parent\":\"/\",\"parent_time_sec\":\"1\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fence_file back;
        yyjson_doc *read = yyjson_read(bad[i], strlen(bad[i]), 0);
        assert_non_null(read);
        assert_false(fence_file_from_json(&back, yyjson_doc_get_root(read)));
        assert_null(back.path);
        yyjson_doc_free(read);
    }
    fence_free(&fence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(units, setup, teardown),
        cmocka_unit_test_setup_teardown(alias, setup, teardown),
        cmocka_unit_test_setup_teardown(cluster_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(findings, setup, teardown),
        cmocka_unit_test_setup_teardown(not_systemd, setup, teardown),
        cmocka_unit_test_setup_teardown(no_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(not_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(json, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
