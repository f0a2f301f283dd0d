/* Which application lies where: folders, then a disk of partitions; none, several, half of one; and the fingerprint. */
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
#include "target/identify.h"
#include "target/installation.h"
#include "target/place.h"
#include "target/protect.h"

static struct profiles profiles;

static const char tiny[] = "[profile]\nname = tiny\n"
                           "[program]\nsearch = /opt/tiny, /opt/tiny-*\nversion-file = VERSION\n"
                           "version-pattern = ^version ([0-9.]+)$\n"
                           "[configuration]\npaths = /etc/tiny.conf, /etc/tiny.d\n"
                           "[database]\nengine = postgresql-cluster\ncluster = /var/lib/postgresql/*/*\nname = tiny\n"
                           "config = /etc/postgresql/*/*/postgresql.conf\nhba = /etc/postgresql/*/main/pg_hba.conf\n"
                           "[services]\nunits = tiny.service\n"
                           "[health]\nurl = http://127.0.0.1/\n";
static const char other[] = "[profile]\nname = other\n"
                            "[program]\nroot = /srv/other\nversion-file = v\nversion-pattern = (.+)\n"
                            "[database]\nengine = none\n[health]\nurl = http://127.0.0.1/\n";

static void add_profile(const char *text)
{
    struct profile profile;
    struct error error = {0};
    assert_int_equal(profile_parse(&profile, "test", text, strlen(text), &error), 0);
    assert_int_equal(profiles_add(&profiles, &profile, &error), 0);
}

static int setup(void **state)
{
    (void)state;
    place_make();
    add_profile(tiny);
    add_profile(other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    profiles_free(&profiles);
    place_remove();
    return 0;
}

static void make_server(const char *root)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/opt/tiny/VERSION", root);
    place_write(path, "name tiny\nversion 1.2\n");
    snprintf(path, sizeof path, "%s/opt/tiny/lib/code", root);
    place_write(path, "code");
    snprintf(path, sizeof path, "%s/etc/tiny.conf", root);
    place_write(path, "key\n");
    snprintf(path, sizeof path, "%s/usr/lib/os-release", root);
    place_write(path, "VERSION_ID='12'\nNAME=x\nID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
    snprintf(path, sizeof path, "%s/etc/os-release", root);
    place_link(path, "../usr/lib/os-release");
    snprintf(path, sizeof path, "%s/etc/machine-id", root);
    place_write(path, "0123456789abcdef\n");
    snprintf(path, sizeof path, "%s/etc/hostname", root);
    place_write(path, "harbour\n");
    snprintf(path, sizeof path, "%s/var/lib/postgresql/15/main/PG_VERSION", root);
    place_write(path, "15\n");
    snprintf(path, sizeof path, "%s/var/lib/postgresql/15/main/global/pg_control", root);
    place_write(path, "control");
    snprintf(path, sizeof path, "%s/etc/postgresql/15/main/postgresql.conf", root);
    place_write(path, "\n");
    snprintf(path, sizeof path, "%s/etc/postgresql/15/main/pg_hba.conf", root);
    place_write(path, "\n");
}

static struct target_options below(const char *root)
{
    return (struct target_options){.root_folder = place_path(root), .profiles = &profiles};
}

static void opened(struct target *target, const struct target_options *options)
{
    struct error error = {0};
    if (target_open(target, options, &error) != 0) {
        fail_msg("%s: %s", error_entry(error.code)->code, error.message);
    }
}

static void closed(struct target *target)
{
    struct error error = {0};
    assert_int_equal(target_close(target, &error), 0);
    assert_int_equal(target->root_fd, -1);
}

static void refused(const struct target_options *options, enum error_code code, const char *words)
{
    struct target target;
    struct error error = {0};
    assert_int_equal(target_open(&target, options, &error), -1);
    if (error.code != code || strstr(error.message, words) == NULL) {
        fail_msg("%s: %s (wanted %s: %s)", error_entry(error.code)->code, error.message, error_entry(code)->code,
                 words);
    }
    assert_int_equal(target.root_fd, -1);
    assert_null(target.root_path);
}

static void one(void **state)
{
    (void)state;
    struct target target;
    struct strings disks = {0};
    struct error error = {0};
    make_server("r");
    struct target_options options = below("r");
    opened(&target, &options);
    const struct installation *found = &target.installation;
    assert_string_equal(target.profile->name, "tiny");
    assert_string_equal(found->program_root, "/opt/tiny");
    assert_string_equal(found->version, "1.2");
    assert_string_equal(found->os_name, "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(found->os_id, "debian");
    assert_string_equal(found->os_version, "12");
    assert_string_equal(found->machine_id, "0123456789abcdef");
    assert_string_equal(found->host_name, "harbour");
    assert_string_equal(found->cluster, "/var/lib/postgresql/15/main");
    assert_string_equal(found->cluster_version, "15");
    assert_string_equal(found->cluster_config, "/etc/postgresql/15/main/postgresql.conf");
    assert_string_equal(found->cluster_hba, "/etc/postgresql/15/main/pg_hba.conf");
    assert_null(found->problem);
    assert_int_equal(target.mounts.count, 0);
    assert_string_equal(target.root_path, options.root_folder);
    assert_int_equal(faccessat(target.root_fd, "opt/tiny", F_OK, 0), 0);
    assert_int_equal(target_disks(&target, true, &disks, &error), 0);
    assert_int_equal(disks.count, 0);
    assert_int_equal(target_check_clean(&target, &error), 0);
    assert_int_equal(target_make_writable(&target, &error), 0);
    assert_int_equal(target_make_read_only(&target, &error), 0);
    closed(&target);
}

static void none(void **state)
{
    (void)state;
    place_write("r/etc/os-release", "PRETTY_NAME='My Linux'\n");
    struct target_options options = below("r");
    refused(&options, CSN_TARGET_NONE, "(My Linux): tiny: /opt/tiny, /opt/tiny-* are not there");
    refused(&options, CSN_TARGET_NONE, "other: /srv/other is not there");
    place_folder("r/opt/tiny");
    refused(&options, CSN_TARGET_NONE, "tiny: /opt/tiny/VERSION is not there");
    place_write("r/opt/tiny/VERSION", "1.2\n");
    refused(&options, CSN_TARGET_NONE, "/opt/tiny/VERSION has nothing that fits version-pattern ^version ([0-9.]+)$");
    struct target_options nothing = {.root_folder = options.root_folder};
    refused(&nothing, CSN_TARGET_NONE, "there is no profile");
    options = below("absent");
    refused(&options, CSN_NOT_FOUND, "absent");
}

/* A whole system is no program tree: it is not even looked through. */
static void the_root_itself(void **state)
{
    (void)state;
    place_write("r/etc/os-release", "ID=x\n");
    place_write("r/VERSION", "version 1.2\n");
    place_folder("r/opt");
    place_link("r/opt/tiny", "/");
    struct target_options options = below("r");
    refused(&options, CSN_TARGET_NONE, "tiny: the program root may not be / itself");
}

/* What version files really look like: parts on lines of their own, CRLF, a byte-order mark, groups inside groups. */
static void versions(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *content, *version; /* NULL: refused */
    } cases[] = {
        {"^([0-9.]+)$", "1.2\n", "1.2"},
        {"^([0-9.]+)$", "1.2", "1.2"},
        {"^([0-9.]+)$",
         "\xef\xbb\xbf"
         "1.2\r\n",
         "1.2"},
        {"MAJOR = ([0-9]+)[[:space:]]+MINOR = ([0-9]+)[[:space:]]+TINY += ([0-9]+)",
         "module VERSION\n  MAJOR = 5\r\n  MINOR = 0\r\n  TINY  = 4\r\n", "5.0.4"},
        {"v(([0-9]+)\\.([0-9]+))( SP([0-9]+))?", "app v8.1 SP2", "8.1. SP2"},
        {"v([0-9]+(\\.[0-9]+)*)( SP([0-9]+))?", "app v8.1.3", "8.1.3"},
        {"(a)|(b)", "b", "b"},
        {"(x*)", "b", NULL},
        {"^([0-9.]+)$", "", NULL},
    };
    struct profile profile = profiles.items[0];
    profile.version_file = (char *)"VERSION";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        char *version = NULL;
        profile.version_pattern = (char *)(uintptr_t)cases[i].pattern;
        place_write("r/opt/app/VERSION", cases[i].content);
        struct target_options options = below("r");
        int root_fd = open(options.root_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(root_fd >= 0);
        int result = target_read_version(root_fd, &profile, "/opt/app", &version, &error);
        assert_int_equal(close(root_fd), 0);
        assert_int_equal(result, cases[i].version == NULL ? -1 : 0);
        if (cases[i].version != NULL) {
            assert_string_equal(version, cases[i].version);
        } else {
            assert_int_equal(error.code, CSN_TARGET_PROFILE);
        }
        free(version);
    }
}

static void several(void **state)
{
    (void)state;
    struct target target;
    make_server("r");
    place_write("r/opt/tiny-old/VERSION", "version 1.0\n");
    struct target_options options = below("r");
    refused(&options, CSN_TARGET_SEVERAL, "2 installations fit: tiny 1.2 in /opt/tiny on ");
    refused(&options, CSN_TARGET_SEVERAL, "tiny 1.0 in /opt/tiny-old on ");
    options.program_root = "/opt/tiny-old";
    opened(&target, &options);
    assert_string_equal(target.installation.version, "1.0");
    closed(&target);
    options.program_root = "/opt/tiny-new";
    refused(&options, CSN_TARGET_NONE, "no installation is at /opt/tiny-new");
    options.program_root = NULL;
    place_write("r/srv/other/v", "9\n");
    options.profile_name = "other";
    opened(&target, &options);
    assert_string_equal(target.profile->name, "other");
    assert_null(target.installation.cluster);
    closed(&target);
    options.profile_name = "third";
    refused(&options, CSN_TARGET_NONE, "");
}

/* Links to one folder are one installation, by its own name; what Caisson left beside is none; nor are hidden folders. */
static void one_after_all(void **state)
{
    (void)state;
    struct target target;
    make_server("r");
    place_run("mv r/opt/tiny r/opt/tiny-1.2");
    place_link("r/opt/tiny", "/opt/tiny-1.2");
    place_write("r/opt/tiny-1.2.caisson-7-old/VERSION", "version 1.1\n");
    place_write("r/opt/.tiny-x/VERSION", "version 1.1\n");
    struct target_options options = below("r");
    opened(&target, &options);
    assert_string_equal(target.installation.program_root, "/opt/tiny-1.2");
    closed(&target);
}

/* A link that leads out of the server is not followed. */
static void no_way_out(void **state)
{
    (void)state;
    char link[4200];
    make_server("r");
    make_server("outside");
    place_run("rm -r r/opt/tiny");
    snprintf(link, sizeof link, "%s/opt/tiny", place_path("outside"));
    place_link("r/opt/tiny", link);
    place_link("r/opt/tiny-up", "../../../../../../../../../../../../../../opt/nothing");
    struct target_options options = below("r");
    refused(&options, CSN_TARGET_NONE, "tiny");
}

static void clusters(void **state)
{
    (void)state;
    struct target target;
    make_server("r");
    struct target_options options = below("r");
    place_write("r/var/lib/postgresql/13/main/readme", "no PG_VERSION: no cluster");
    place_write("r/etc/postgresql/13/main/postgresql.conf", "left over\n");
    opened(&target, &options);
    assert_string_equal(target.installation.cluster_config, "/etc/postgresql/15/main/postgresql.conf");
    closed(&target);
    place_write("r/var/lib/postgresql/13/main/PG_VERSION", "13\n");
    refused(&options, CSN_TARGET_PROFILE, "fits several database clusters");
    place_run("rm -r r/var/lib/postgresql/13 r/etc/postgresql/15/main/pg_hba.conf");
    refused(&options, CSN_TARGET_PROFILE, "pg_hba.conf is not there for the cluster /var/lib/postgresql/15/main");
    place_run("rm -r r/var/lib/postgresql/15");
    refused(&options, CSN_TARGET_PROFILE, "there is no database cluster at /var/lib/postgresql/*/*");
}

/* What has changed since marks were taken; marks are anew then. */
static const char *changed_since(const struct target *target, struct buffer *marks)
{
    static char text[256];
    struct buffer changed = {0};
    struct error error = {0};
    if (target_compare_fingerprint(target, marks, &changed, &error) != 0) {
        fail_msg("%s", error.message);
    }
    snprintf(text, sizeof text, "%s", buffer_text(&changed));
    buffer_free(&changed);
    buffer_clear(marks);
    assert_int_equal(target_fingerprint(target, marks, &error), 0);
    return text;
}

static void fingerprint(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        const char *path;
    } changes[] = {
        {"printf x >> r/opt/tiny/lib/code", "/opt/tiny/lib/code"},
        {"chmod 600 r/opt/tiny/lib/code", "/opt/tiny/lib/code"},
        {"touch r/opt/tiny/lib/new", "/opt/tiny/lib"},
        {"rm r/opt/tiny/lib/new", "/opt/tiny/lib"},
        {"mv r/opt/tiny/lib r/opt/tiny/lib2", "/opt/tiny"},
        {"ln -s x r/opt/tiny/link", "/opt/tiny"},
        {"echo 'of 9' >> r/opt/tiny/VERSION", "/opt/tiny/VERSION"},
        {"touch r/etc/tiny.conf", "/etc/tiny.conf"},
        {"mkdir r/etc/tiny.d", "/etc/tiny.d"},
        {"touch r/etc/tiny.d/more", "/etc/tiny.d"},
        {"rm r/etc/tiny.conf", "/etc/tiny.conf"},
        {"printf y > r/var/lib/postgresql/15/main/global/pg_control", "/var/lib/postgresql/15/main/global/pg_control"},
    };
    struct target target;
    struct buffer marks = {0};
    struct error error = {0};
    make_server("r");
    struct target_options options = below("r");
    opened(&target, &options);
    assert_int_equal(target_fingerprint(&target, &marks, &error), 0);
    place_run("cat r/opt/tiny/lib/code && touch r/opt/elsewhere r/var/lib/postgresql/15/main/log");
    assert_string_equal(changed_since(&target, &marks), "");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        place_run(changes[i].change);
        assert_string_equal(changed_since(&target, &marks), changes[i].path);
    }
    place_run("rm r/opt/tiny/VERSION");
    assert_int_equal(target_fingerprint(&target, &marks, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROFILE);
    buffer_free(&marks);
    closed(&target);
}

/* Each link on the way by its own real name, and the place at their end; nothing leads out of the root. */
static void traces(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *met; /* links, apart by blanks */
        const char *real;
    } cases[] = {
        {"/data/app/upload", "", "/data/app/upload"},
        {"/srv/app/upload", "/srv/app", "/data/app/upload"},
        {"/srv/two/upload", "/srv/two /srv/app", "/data/app/upload"},
        {"/srv/../srv/./app//", "/srv/app", "/data/app"},
        {"/srv/up", "/srv/up /srv/app", "/data/app/upload"},
        {"/srv/out", "/srv/out", "/data"},
        {"/srv/dangling/x", "/srv/dangling", NULL},
        {"/srv/none", "", NULL},
        {"/", "", "/"},
    };
    struct error error = {0};
    place_folder("r/data/app/upload");
    place_link("r/srv/app", "/data/app");
    place_link("r/srv/two", "app");
    place_link("r/srv/up", "../srv/app/upload");
    place_link("r/srv/out", "../../../../../../../../../../../data");
    place_link("r/srv/dangling", "/nowhere");
    place_link("r/srv/loop", "loop");
    int root_fd = open(place_path("r"), O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strings links = {0};
        struct buffer met = {0};
        char *real = NULL;
        assert_int_equal(root_trace(root_fd, cases[i].path, &links, &real, &error), 0);
        for (size_t k = 0; k < links.count; k++) {
            buffer_format(&met, "%s%s", k == 0 ? "" : " ", links.items[k]);
        }
        assert_string_equal(buffer_text(&met), cases[i].met);
        assert_string_equal(real == NULL ? "none" : real, cases[i].real == NULL ? "none" : cases[i].real);
        buffer_free(&met);
        strings_free(&links);
        free(real);
    }
    struct strings links = {0};
    char *real = NULL;
    assert_int_equal(root_trace(root_fd, "/srv/loop/x", &links, &real, &error), 0);
    assert_null(real);
    strings_free(&links);
    close(root_fd);
}

/* Two partitions with a system each, one with swap, one that is part of something else. */
static void make_disk(void)
{
    make_server("a");
    place_write("a/etc/fstab", "UUID=33333333-3333-3333-3333-333333333333 /var ext4 defaults 0 2\n");
    place_run("mkdir v && mv a/var/lib v/ && mkdir -p b/etc c && touch b/etc/fstab");
    place_run("mke() { truncate -s 16M $1.img && mkfs.ext4 -q -F -U $2 -d $1 $1.img; };"
              "mke a 11111111-1111-1111-1111-111111111111; mke b 22222222-2222-2222-2222-222222222222;"
              "mke v 33333333-3333-3333-3333-333333333333; mke c 44444444-4444-4444-4444-444444444444;"
              "truncate -s 16M l.img; printf 'LUKS\\272\\276\\0\\001' | dd of=l.img conv=notrunc status=none");
    place_run("truncate -s 96M disk.img && printf 'label: gpt\\nsize=16MiB\\nsize=16MiB\\nsize=16MiB\\nsize=16MiB\\n"
              "size=16MiB\\n' | sfdisk -q disk.img");
    place_run("n=1; for p in a b v c l; do set -- $(sfdisk -q -l -o Start disk.img | sed -n \"$((n+1))p\"); "
              "dd if=$p.img of=disk.img bs=512 seek=$1 conv=notrunc,sparse status=none; n=$((n+1)); done");
}

/* Where nothing that is needed lies stays for reading while the rest is written to, and its disk counts for nothing. */
static void aside(const struct target_options *options)
{
    struct target target;
    struct strings needed = {0};
    struct strings disks = {0};
    struct error error = {0};
    opened(&target, options);
    assert_int_equal(strings_add(&needed, "/opt/tiny", &error), 0);
    assert_int_equal(target_need(&target, &needed, &error), 0);
    assert_false(target.mounts.items[0].aside);
    assert_true(target.mounts.items[1].aside);
    target.mounts.items[1].disk[0] = 'X'; /* as if it lay on a disk of its own */
    assert_int_equal(target_disks(&target, false, &disks, &error), 0);
    assert_int_equal(disks.count, 1);
    assert_int_equal(target_disks(&target, true, &disks, &error), 0);
    assert_int_equal(disks.count, 2);
    assert_int_equal(target_make_writable(&target, &error), 0);
    int fd = openat(target.root_fd, "opt/tiny/mark", O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_true(openat(target.root_fd, "var/lib/mark3", O_WRONLY | O_CREAT, 0644) < 0);
    assert_int_equal(faccessat(target.root_fd, "var/lib/mark", F_OK, 0), 0);
    assert_int_equal(target_make_read_only(&target, &error), 0);
    assert_int_equal(strings_add(&needed, "/var/lib/caisson/runs", &error), 0);
    assert_int_equal(target_need(&target, &needed, &error), 0);
    assert_false(target.mounts.items[1].aside);
    strings_free(&needed);
    strings_free(&disks);
    closed(&target);
}

static void on_disk(void **state)
{
    (void)state;
    struct target target;
    struct strings disks = {0};
    struct error error = {0};
    char name[4200];
    char before[70];
    place_need_root();
    make_disk();
    snprintf(before, sizeof before, "%.64s", place_run("sha256sum disk.img"));
    snprintf(name, sizeof name, "image:%s", place_path("disk.img"));
    struct target_options options = {.disk = name, .profiles = &profiles, .writable_later = true};
    opened(&target, &options);
    assert_string_equal(target.installation.version, "1.2");
    assert_string_equal(target.installation.cluster, "/var/lib/postgresql/15/main");
    assert_int_equal(target.mounts.count, 2);
    assert_string_equal(mount_of(&target.mounts, target.installation.cluster)->place, "/var");
    assert_int_equal(target_disks(&target, true, &disks, &error), 0);
    assert_int_equal(disks.count, 1);
    assert_string_equal(disks.items[0], target.installation.disk);
    strings_free(&disks);
    assert_int_equal(target_check_clean(&target, &error), 0);
    bool luks = false;
    for (size_t i = 0; i < target.survey.findings.count; i++) {
        luks = luks || strstr(target.survey.findings.items[i], "crypto_LUKS") != NULL;
    }
    assert_true(luks);
    closed(&target);
    assert_string_equal(before, place_run("sha256sum disk.img | cut -c 1-64"));

    opened(&target, &options);
    if (target_make_writable(&target, &error) != 0) {
        fail_msg("%s", error.message);
    }
    int fd = openat(target.root_fd, "var/lib/mark", O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(target_make_read_only(&target, &error), 0);
    assert_int_equal(faccessat(target.root_fd, "var/lib/mark", F_OK, 0), 0);
    assert_true(openat(target.root_fd, "var/lib/mark2", O_WRONLY | O_CREAT, 0644) < 0);
    bool read_only = false;
    assert_int_equal(protect_get(target.installation.volume, &read_only, &error), 0);
    assert_true(read_only);
    closed(&target);
    aside(&options);
    /* A second application on the other partition: two, unless the partition is named. */
    place_run("mkdir -p b/srv/other && echo 9 >b/srv/other/v && rm b.img && truncate -s 16M b.img && "
              "mkfs.ext4 -q -F -U 22222222-2222-2222-2222-222222222222 -d b b.img && "
              "set -- $(sfdisk -q -l -o Start disk.img | sed -n 3p) && "
              "dd if=b.img of=disk.img bs=512 seek=$1 conv=notrunc status=none");
    refused(&options, CSN_TARGET_SEVERAL, "2 installations fit: tiny 1.2 in /opt/tiny on /dev/loop");
    options.profile_name = "other";
    opened(&target, &options);
    assert_string_equal(target.installation.version, "9");
    closed(&target);
}

/* A file system that cannot be mounted is the error, if nothing is found for that. */
static void broken(void **state)
{
    (void)state;
    char name[4200];
    place_need_root();
    make_server("a");
    place_run("truncate -s 16M a.img && mkfs.ext4 -q -F -d a a.img && "
              "dd if=/dev/zero of=a.img bs=1k seek=2 count=64 conv=notrunc status=none");
    snprintf(name, sizeof name, "image:%s", place_path("a.img"));
    struct target_options options = {.disk = name, .profiles = &profiles};
    refused(&options, CSN_TARGET_MOUNT, "mounting /dev/loop");
    snprintf(name, sizeof name, "image:%s", place_path("none.img"));
    refused(&options, CSN_TARGET_DISK_MISSING, "none.img");
    options.disk = "serial:nobody-has-this";
    refused(&options, CSN_TARGET_DISK_MISSING, "nobody-has-this");
}

/* What is missing may lie on a file system that is broken or not here: that is named, and the profile is not blamed. */
static void unseen(void **state)
{
    (void)state;
    char name[4200];
    place_need_root();
    make_disk();
    place_run("set -- $(sfdisk -q -l -o Start disk.img | sed -n 4p) && "
              "dd if=/dev/zero of=disk.img bs=512 seek=$(($1+4)) count=128 conv=notrunc status=none");
    snprintf(name, sizeof name, "image:%s", place_path("disk.img"));
    struct target_options options = {.disk = name, .profiles = &profiles};
    refused(&options, CSN_TARGET_UNSEEN, "there is no database cluster at /var/lib/postgresql/*/*; mounting /dev/loop");
    refused(&options, CSN_TARGET_UNSEEN, "p3 (ext4) as /var for reading");
    place_run("set -- $(sfdisk -q -l -o Start disk.img | sed -n 4p) && "
              "dd if=/dev/zero of=disk.img bs=512 seek=$1 count=128 conv=notrunc status=none");
    refused(&options, CSN_TARGET_UNSEEN, "; fstab's UUID=33333333-3333-3333-3333-333333333333 for /var is on no disk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one, setup, teardown),
        cmocka_unit_test_setup_teardown(none, setup, teardown),
        cmocka_unit_test_setup_teardown(the_root_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(versions, setup, teardown),
        cmocka_unit_test_setup_teardown(several, setup, teardown),
        cmocka_unit_test_setup_teardown(one_after_all, setup, teardown),
        cmocka_unit_test_setup_teardown(no_way_out, setup, teardown),
        cmocka_unit_test_setup_teardown(clusters, setup, teardown),
        cmocka_unit_test_setup_teardown(fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(traces, setup, teardown),
        cmocka_unit_test_setup_teardown(on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(broken, setup, teardown),
        cmocka_unit_test_setup_teardown(unseen, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
