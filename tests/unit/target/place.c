#include "target/place.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char line[4096];

void place_own_mounts(void)
{
    static bool has_own;
    if (!has_own && geteuid() == 0) {
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        has_own = true;
    }
}

const char *place_make(void)
{
    place_own_mounts(); /* before anything is opened: what is open then stays in the other namespace */
    snprintf(folder, sizeof folder, "/tmp/caisson-target-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

void place_remove(void)
{
    place_run("cd / && rm -rf \"$PLACE\"");
}

const char *place_path(const char *path)
{
    static char ring[8][4096];
    static size_t next;
    char *text = ring[next++ % 8];
    snprintf(text, sizeof ring[0], "%s/%s", folder, path);
    return text;
}

static void make_parents(const char *path)
{
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *at = strchr(copy + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(copy, 0755);
        *at = '/';
    }
}

void place_write(const char *path, const char *content)
{
    const char *whole = place_path(path);
    make_parents(whole);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void place_folder(const char *path)
{
    const char *whole = place_path(path);
    make_parents(whole);
    assert_int_equal(mkdir(whole, 0755), 0);
}

void place_link(const char *path, const char *target)
{
    const char *whole = place_path(path);
    make_parents(whole);
    assert_int_equal(symlink(target, whole), 0);
}

static char *read_all(const char *script, int *status)
{
    char *text = NULL;
    size_t size = 0;
    setenv("PLACE", folder, 1);
    setenv("LC_ALL", "C", 1);
    char *command = NULL;
    assert_true(
        asprintf(&command, "cd '%s' && PATH=$PATH:/usr/sbin:/sbin && exec 2>&1 && set -e && %s", folder, script) > 0);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    char part[4096];
    for (size_t got; (got = fread(part, 1, sizeof part, pipe)) > 0;) {
        fwrite(part, 1, got, memory);
    }
    assert_int_equal(fclose(memory), 0);
    *status = pclose(pipe);
    free(command);
    return text;
}

const char *place_run(const char *script)
{
    int status = 0;
    char *text = read_all(script, &status);
    if (status != 0) {
        fail_msg("%s\nended with %d:\n%s", script, status, text);
    }
    text[strcspn(text, "\n")] = '\0';
    snprintf(line, sizeof line, "%s", text);
    free(text);
    return line;
}

char *place_snapshot(const char *path)
{
    char script[8192];
    int status = 0;
    snprintf(script, sizeof script,
             "cd '%s' && find . -printf '%%y %%m %%U %%G %%s %%T@ %%p %%l\\n' | sort -k 7 && "
             "find . -type f -exec sha256sum {} + | sort -k 2",
             place_path(path));
    char *text = read_all(script, &status);
    assert_int_equal(status, 0);
    return text;
}

void place_need_root(void)
{
    if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0) {
        print_message("needs root and loop devices\n");
        skip();
    }
}
