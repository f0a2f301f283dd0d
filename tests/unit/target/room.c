#include "target/room.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "lib/process.h"

bool room_is_real_root(void)
{
    struct buffer map = {0};
    unsigned inside = 1;
    unsigned outside = 1;
    bool real = geteuid() == 0 && file_read(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL) == 0 &&
                sscanf(buffer_text(&map), "%u %u", &inside, &outside) == 2 && outside == 0;
    buffer_free(&map);
    return real;
}

void room_need_root(char **argv)
{
    if (geteuid() != 0) {
        execlp("unshare", "unshare", "--map-auto", "-r", "-m", argv[0], (char *)NULL);
        perror("unshare");
        exit(1);
    }
}

char *room_folder(void)
{
    char *folder = strdup("/var/tmp/caisson-test-XXXXXX");
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0755), 0);
    return folder;
}

void room_remove(char *folder)
{
    const char *const argv[] = {"rm", "-rf", "--one-file-system", folder, NULL};
    int status = -1;
    assert_int_equal(process_run(argv, NULL, 60, NULL, &status, NULL), 0);
    assert_int_equal(status, 0);
    free(folder);
}

struct view_bind room_usr = {.source = "/usr", .target = "/usr"};

const char *room_postgres_root(void)
{
    const char *root = getenv("CAISSON_TEST_POSTGRES");
    return root == NULL ? "/" : root;
}

__attribute__((constructor)) static void find_usr(void)
{
    static char usr[4096];
    snprintf(usr, sizeof usr, "%s/usr", strcmp(room_postgres_root(), "/") == 0 ? "" : room_postgres_root());
    room_usr.source = usr;
}

const char *room_postgres_binaries(void)
{
    static char folder[4096];
    char pattern[4096];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/lib/postgresql/*/bin/initdb", room_usr.source);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    snprintf(folder, sizeof folder, "/usr%s", found.gl_pathv[found.gl_pathc - 1] + strlen(room_usr.source));
    *strrchr(folder, '/') = '\0';
    globfree(&found);
    return folder;
}

char *room_server(void)
{
    static const char *const folders[] = {"usr", "etc", "root", "var", "var/lib", "srv", "opt", "home"};
    static const char *const links[] = {"bin", "sbin", "lib", "lib64"};
    char *folder = room_folder();
    char *passwd = room_read("/etc", "passwd");
    char *group = room_read("/etc", "group");
    assert_non_null(passwd);
    assert_non_null(group);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        room_make(folder, folders[i]);
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        char path[4096];
        char target[64];
        snprintf(path, sizeof path, "%s/%s", folder, links[i]);
        snprintf(target, sizeof target, "usr/%s", links[i]);
        assert_int_equal(symlink(target, path), 0);
    }
    room_write(folder, "etc/passwd", passwd);
    room_write(folder, "etc/group", group);
    room_write(folder, "etc/hosts", "127.0.0.1 localhost\n");
    room_write(folder, "etc/hostname", "old-server\n");
    room_write(folder, "etc/secret", "root's only\n");
    char path[4096];
    snprintf(path, sizeof path, "%s/etc/secret", folder);
    assert_int_equal(chmod(path, 0600), 0);
    free(passwd);
    free(group);
    return folder;
}

static void path_of(const char *folder, const char *name, char path[4096])
{
    assert_true(snprintf(path, 4096, "%s/%s", folder, name) < 4096);
}

void room_write(const char *folder, const char *name, const char *text)
{
    char path[4096];
    path_of(folder, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void room_make(const char *folder, const char *name)
{
    char path[4096];
    path_of(folder, name, path);
    assert_int_equal(mkdir(path, 0755), 0);
}

char *room_read(const char *folder, const char *name)
{
    char path[4096];
    struct buffer content = {0};
    path_of(folder, name, path);
    if (file_read(AT_FDCWD, path, 1 << 20, &content, NULL) != 0) {
        buffer_free(&content);
        return NULL;
    }
    return buffer_take(&content);
}

static bool is_descendant(long pid)
{
    while (pid > 1 && pid != getpid()) {
        char path[64];
        struct buffer status = {0};
        snprintf(path, sizeof path, "/proc/%ld/status", pid);
        const char *line = file_read(AT_FDCWD, path, 65536, &status, NULL) == 0 ? strstr(status.data, "\nPPid:") : NULL;
        pid = line == NULL ? 0 : strtol(line + 6, NULL, 10);
        buffer_free(&status);
    }
    return pid == getpid();
}

enum whose { ANYBODYS, OURS };

/* Those processes with text in (or, whole, as) a file of theirs in /proc; signal_number 0 only counts. */
static int count(const char *file, const char *text, bool whole, enum whose whose, int signal_number, int *one)
{
    int found = 0;
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        char path[300];
        struct buffer content = {0};
        long pid = strtol(entry->d_name, NULL, 10);
        size_t length = strlen(text);
        snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, file);
        if (pid > 0 && pid != getpid() && file_read(AT_FDCWD, path, 1 << 20, &content, NULL) == 0 &&
            (whole ? content.size == length + 1 && memcmp(content.data, text, length) == 0
                   : memmem(content.data, content.size, text, length) != NULL) &&
            (whose == ANYBODYS || is_descendant(pid)) && kill((pid_t)pid, signal_number) == 0) {
            found++;
            if (one != NULL) {
                *one = (int)pid;
            }
        }
        buffer_free(&content);
    }
    closedir(proc);
    return found;
}

const char *room_marker(void)
{
    static char marker[32];
    snprintf(marker, sizeof marker, "9%08ld", (long)getpid());
    return marker;
}

int room_count_processes(const char *text)
{
    return count("cmdline", text, false, ANYBODYS, 0, NULL);
}

int room_count_mine(const char *text)
{
    return count("cmdline", text, false, OURS, 0, NULL);
}

int room_count_named(const char *name, int *pid)
{
    return count("comm", name, true, OURS, 0, pid);
}

int room_kill(const char *text)
{
    return count("cmdline", text, false, OURS, SIGKILL, NULL);
}

bool room_gone(const char *text)
{
    for (int i = 0; i < 100; i++) {
        if (room_count_processes(text) == 0) {
            return true;
        }
        usleep(50000);
    }
    return false;
}
