#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/process.h"
#include "lib/root.h"
#include "lib/traffic.h"
#include "target/place.h"
#include "target/room.h"
#include "target/view.h"

/* A made-up server with this machine's /usr. */
static char *server;
static struct view_layout layout_plain;

static struct error error;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

/* So that a program of this test is known from every other. */
static char mark_variable[40];
static const char *const mark_environment[] = {mark_variable, NULL};

static bool is_alive(int pid, const char *name)
{
    char path[64];
    struct buffer text = {0};
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    bool alive = file_read(AT_FDCWD, path, 100, &text, NULL) == 0 && strncmp(text.data, name, strlen(name)) == 0;
    buffer_free(&text);
    /* One that only waits for the machine's init to collect it is gone. */
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    char target[16];
    return alive && readlink(path, target, sizeof target) > 0;
}

static struct view *open_plain(void)
{
    struct view *view = NULL;
    ASSERT_DONE(view_open(&layout_plain, &view, &error));
    return view;
}

static void close_view(struct view *view)
{
    ASSERT_DONE(view_close(view, &error));
}

/* Runs a shell script as user; its output without the last newline. */
static char *shell(struct view *view, const char *user, const char *script, int expected)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct view_command command = {.argv = argv, .user = user, .environment = mark_environment, .timeout_sec = 60};
    struct buffer output = {0};
    int status = -1;
    ASSERT_DONE(view_run(view, &command, &output, &status, &error));
    if (status != expected) {
        fail_msg("%s gave %d, not %d: %s", script, status, expected, buffer_text(&output));
    }
    char *text = strdup(buffer_text(&output));
    buffer_free(&output);
    assert_non_null(text);
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '\n') {
        text[length - 1] = '\0';
    }
    return text;
}

static void assert_shell(struct view *view, const char *user, const char *script, const char *expected)
{
    char *text = shell(view, user, script, 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_runs_programs(void **state)
{
    (void)state;
    struct view *view = open_plain();
    assert_shell(view, NULL, "echo out; echo err >&2", "out\nerr");
    free(shell(view, NULL, "exit 7", 7));
    free(shell(view, NULL, "kill -9 $$", 128 + 9));
    assert_shell(view, NULL, "echo $HOME $USER $PATH",
                 "/root root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert_shell(view, NULL, "pwd; cat; umask; ulimit -c", "/root\n0022\n0");
    const char *const environment[] = {"HOME=/elsewhere", "COLOUR=red", NULL};
    const char *const argv[] = {"/bin/sh", "-c", "echo $HOME $COLOUR; pwd", NULL};
    struct view_command command = {.argv = argv, .environment = environment, .folder = "/usr/bin"};
    struct buffer output = {0};
    int status = -1;
    ASSERT_DONE(view_run(view, &command, &output, &status, &error));
    assert_string_equal(buffer_text(&output), "/elsewhere red\n/usr/bin\n");
    buffer_free(&output);
    close_view(view);
}

static void test_says_what_cannot_start(void **state)
{
    (void)state;
    struct view *view = open_plain();
    const char *const argv[] = {"/usr/bin/no-such-program", NULL};
    const char *const name[] = {"no-such-program", NULL};
    const char *const fine[] = {"true", NULL};
    struct view_command command = {.argv = argv};
    int status = -1;
    assert_int_equal(view_run(view, &command, NULL, &status, &error), -1);
    assert_int_equal(error.code, CSN_PROCESS);
    assert_non_null(strstr(error.message, "/usr/bin/no-such-program"));
    assert_non_null(strstr(error.message, "No such file"));
    command.argv = name;
    assert_int_equal(view_run(view, &command, NULL, &status, &error), -1);
    assert_int_equal(error.code, CSN_PROCESS);
    command = (struct view_command){.argv = fine, .folder = "/no/such/folder"};
    assert_int_equal(view_run(view, &command, NULL, &status, &error), -1);
    assert_int_equal(error.code, CSN_PROCESS);
    assert_non_null(strstr(error.message, "/no/such/folder"));
    command = (struct view_command){.argv = fine, .user = "nobody-of-this-name"};
    assert_int_equal(view_run(view, &command, NULL, &status, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROFILE);
    assert_non_null(strstr(error.message, "nobody-of-this-name"));
    close_view(view);
}

static void test_is_closed(void **state)
{
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    struct view *view = open_plain();
    assert_shell(view, NULL, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo");
    assert_shell(view, NULL, "ls /sys/class/net", "lo");
    assert_shell(view, NULL, "hostname", "old-server");
    /* The program is process 2 of its own PID namespace, below one that only holds it. */
    assert_shell(view, NULL, "echo $$; ls -d /proc/[0-9]* | sort | head -2", "2\n/proc/1\n/proc/2");
    assert_shell(view, NULL, "ls /proc/self/fd | grep -v 3", "0\n1\n2");
    assert_shell(view, NULL, "ls /dev",
                 "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero");
    assert_shell(view, NULL, "echo x >/dev/null && head -c 3 /dev/zero | wc -c", "3");
    free(shell(view, NULL, "mount -t tmpfs none /mnt", 32));
    free(shell(view, NULL, "mknod /tmp/disk b 259 0", 1));
    free(shell(view, NULL, "echo x >/proc/sys/kernel/hostname", 2));
    free(shell(view, NULL, "echo h >/proc/sysrq-trigger", 2));
    free(shell(view, NULL, "cat /proc/1/environ", 1));
    free(shell(view, NULL, "touch /sys/kernel/x", 1));
    free(shell(view, NULL, "chroot / true", 125));
    close(listener);
    close_view(view);
}

static void test_users_have_no_rights(void **state)
{
    (void)state;
    struct view *view = open_plain();
    assert_shell(view, "nobody", "id -un; grep -E 'Cap|NoNewPrivs' /proc/self/status | tr '\\n' ' '",
                 "nobody\nCapInh:\t0000000000000000 CapPrm:\t0000000000000000 CapEff:\t0000000000000000 "
                 "CapBnd:\t0000000000000000 CapAmb:\t0000000000000000 NoNewPrivs:\t1 ");
    /* chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service */
    assert_shell(view, NULL, "grep -E 'CapEff|CapBnd' /proc/self/status | tr '\\n' ' '",
                 "CapEff:\t00000000000004fb CapBnd:\t00000000000004fb ");
    assert_shell(view, "daemon", "id -u; id -g", "1\n1");
    assert_shell(view, "65534", "id -u", "65534");
    free(shell(view, "nobody", "cat /etc/secret", 1));
    assert_shell(view, NULL, "touch /tmp/mine && chown nobody /tmp/mine && stat -c %U /tmp/mine", "nobody");
    close_view(view);
}

static void test_writes_stay_inside(void **state)
{
    (void)state;
    room_make(server, "srv/app");
    room_write(server, "srv/app/kept", "old\n");
    room_make(server, "srv/app/old");
    struct view *view = open_plain();
    /* Without overlay_can_rename, mv copies. */
    assert_shell(view, NULL,
                 "cd /srv/app && echo new >kept && echo more >added && mv old older && rm -r /home && cat kept", "new");
    assert_string_equal(view_layer_mount(view, 0), "");
    assert_int_equal(view_layer_count(view), 1);
    assert_int_equal(faccessat(view_layer_upper_fd(view, 0), "srv/app/added", F_OK, 0), 0);
    /* From outside, through the room's root. */
    struct buffer content = {0};
    char path[4096];
    ASSERT_DONE(root_read(view_root_fd(view), "/srv/app/kept", 100, &content, &error));
    assert_string_equal(buffer_text(&content), "new\n");
    buffer_free(&content);
    snprintf(path, sizeof path, "%s/srv/app/kept", view_root_path(view));
    assert_int_equal(access(path, R_OK), 0);
    close_view(view);
    char *text = room_read(server, "srv/app/kept");
    assert_string_equal(text, "old\n");
    free(text);
    assert_null(room_read(server, "srv/app/added"));
    snprintf(path, sizeof path, "%s/srv/app/old", server);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/home", server);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_binds(void **state)
{
    (void)state;
    char *folder = room_folder();
    room_make(folder, "staged");
    room_write(folder, "staged/version", "2\n");
    room_make(folder, "data");
    room_make(folder, "scratch");
    room_write(folder, "one", "file\n");
    char sources[3][4096];
    const char *const names[] = {"staged", "data", "one"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(sources[i], sizeof sources[i], "%s/%s", folder, names[i]);
    }
    char scratch[4096];
    snprintf(scratch, sizeof scratch, "%s/scratch", folder);
    const struct view_bind binds[] = {
        room_usr,
        {.source = sources[0], .target = "/opt/caisson-test/app"},
        {.source = sources[1], .target = "/srv/caisson-test-data", .writable = true},
        {.source = sources[2], .target = "/etc/caisson-test.conf"},
    };
    struct view_layout layout = {.root_path = server, .binds = binds, .bind_count = 4};
    struct view *view = NULL;
    ASSERT_DONE(view_open(&layout, &view, &error));
    assert_shell(view, NULL, "cat /opt/caisson-test/app/version /etc/caisson-test.conf", "2\nfile");
    free(shell(view, NULL, "echo 3 >/opt/caisson-test/app/version", 2));
    free(shell(view, NULL, "echo 3 >/etc/caisson-test.conf", 2));
    free(shell(view, NULL, "echo written >/srv/caisson-test-data/file", 0));
    close_view(view);
    char *text = room_read(folder, "data/file");
    assert_string_equal(text, "written\n");
    free(text);
    text = room_read(folder, "staged/version");
    assert_string_equal(text, "2\n");
    free(text);
    assert_null(room_read(server, "etc/caisson-test.conf"));
    assert_null(room_read(server, "opt/caisson-test/app/version"));

    const struct view_bind missing = {.source = "/no/such/source", .target = "/srv/x"};
    layout = (struct view_layout){.root_path = server, .binds = &missing, .bind_count = 1};
    assert_int_equal(view_open(&layout, &view, &error), -1);
    assert_null(view);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_non_null(strstr(error.message, "/no/such/source"));
    room_remove(folder);
}

static void test_timeout_kills_all(void **state)
{
    (void)state;
    struct view *view = open_plain();
    const char *const argv[] = {"sh", "-c",
                                "echo begun; setsid sleep $MARK & (trap '' TERM HUP; sleep $MARK) & sleep $MARK", NULL};
    struct view_command command = {.argv = argv, .environment = mark_environment, .timeout_sec = 1};
    struct buffer output = {0};
    int status = -1;
    int64_t begin_ms = clock_monotonic_ms();
    assert_int_equal(view_run(view, &command, &output, &status, &error), -1);
    assert_int_equal(error.code, CSN_TIMEOUT);
    assert_true(clock_monotonic_ms() - begin_ms < 10000);
    assert_string_equal(buffer_text(&output), "begun\n");
    assert_int_equal(room_count_processes(room_marker()), 0);
    buffer_free(&output);
    /* What a program leaves behind goes with it. */
    free(shell(view, NULL, "setsid sleep $MARK >/dev/null 2>&1 & exit 0", 0));
    assert_int_equal(room_count_processes(room_marker()), 0);
    assert_shell(view, NULL, "echo still here", "still here");
    close_view(view);
}

static void test_background(void **state)
{
    (void)state;
    struct view *view = open_plain();
    const char *const argv[] = {"sh", "-c", "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.1; done",
                                NULL};
    struct view_command command = {.argv = argv, .user = "nobody"};
    struct view_program *program = NULL;
    struct buffer log = {0};
    bool ended = true;
    int status = -1;
    ASSERT_DONE(view_start(view, &command, 0, &program, &error));
    assert_true(view_program_runs(program));
    for (int i = 0; i < 100 && strcmp(buffer_text(&log), "up\n") != 0; i++) {
        usleep(50000);
        buffer_clear(&log);
        ASSERT_DONE(view_program_log(program, &log, &error));
    }
    assert_string_equal(buffer_text(&log), "up\n");
    ASSERT_DONE(view_program_wait(program, 0, &ended, &status, &error));
    assert_false(ended);
    ASSERT_DONE(view_program_signal(program, SIGTERM, &error));
    ASSERT_DONE(view_program_wait(program, 10, &ended, &status, &error));
    assert_true(ended);
    assert_int_equal(status, 3);
    buffer_clear(&log);
    ASSERT_DONE(view_program_log(program, &log, &error));
    assert_string_equal(buffer_text(&log), "up\nasked\n");
    ASSERT_DONE(view_stop(program, 1, &error));
    buffer_free(&log);

    /* One that goes to the background by itself, and does not listen. */
    const char *const daemon[] = {"sh", "-c", "(trap '' TERM; exec sleep $MARK) & exit 0", NULL};
    command = (struct view_command){.argv = daemon, .environment = mark_environment};
    ASSERT_DONE(view_start(view, &command, 0, &program, &error));
    usleep(300000);
    assert_true(view_program_runs(program));
    assert_int_equal(room_count_processes(room_marker()), 1);
    ASSERT_DONE(view_stop(program, 1, &error));
    assert_int_equal(room_count_processes(room_marker()), 0);
    close_view(view);
}

static void test_log_is_bounded(void **state)
{
    (void)state;
    struct view *view = open_plain();
    const char *const argv[] = {"sh", "-c", "seq 1 200000; echo last", NULL};
    struct view_command command = {.argv = argv};
    struct view_program *program = NULL;
    struct buffer log = {0};
    bool ended = false;
    ASSERT_DONE(view_start(view, &command, 10000, &program, &error));
    ASSERT_DONE(view_program_wait(program, 60, &ended, NULL, &error));
    assert_true(ended);
    ASSERT_DONE(view_program_log(program, &log, &error));
    assert_true(log.size <= 10000 + 16384 && log.size >= 4000);
    assert_string_equal(log.data + log.size - 12, "200000\nlast\n");
    ASSERT_DONE(view_stop(program, 0, &error));
    buffer_free(&log);
    close_view(view);
}

static void test_close_kills_all(void **state)
{
    (void)state;
    struct view *view = open_plain();
    const char *const argv[] = {"sh", "-c", "trap '' TERM; sleep $MARK", NULL};
    struct view_command command = {.argv = argv, .environment = mark_environment};
    struct view_program *program = NULL;
    ASSERT_DONE(view_start(view, &command, 0, &program, &error));
    usleep(200000);
    assert_int_not_equal(room_count_processes(room_marker()), 0);
    close_view(view);
    assert_int_equal(room_count_processes(room_marker()), 0);
    assert_int_equal(room_count_named("caisson-room", NULL), 0);
    assert_false(view_program_runs(program));
    ASSERT_DONE(view_stop(program, 0, &error));
}

/* What ran in the room counts as ours (lib/traffic.h), also what went to the background there. */
static void test_traffic_counts(void **state)
{
    (void)state;
    const uint64_t mib = 1024 * 1024;
    struct traffic before = traffic_now();
    struct view *view = open_plain();
    free(shell(view, NULL, "head -c 4194304 /dev/zero >/var/lib/x", 0));
    const char *const argv[] = {"sh", "-c", "(head -c 8388608 /dev/zero; exec sleep 1000) >/var/lib/y & exit", NULL};
    struct view_command command = {.argv = argv};
    struct view_program *program = NULL;
    ASSERT_DONE(view_start(view, &command, 0, &program, &error));
    assert_shell(view, NULL, "for i in $(seq 100); do [ $(stat -c %s /var/lib/y) = 8388608 ] && break; sleep 0.1; done",
                 "");
    ASSERT_DONE(view_stop(program, 10, &error));
    close_view(view);
    struct traffic moved = traffic_since(&before);
    assert_in_range(moved.written_bytes, 12 * mib, 13 * mib);
}

/* The caller is killed: nothing of the view may survive it. */
static void test_killed_caller(void **state)
{
    (void)state;
    static const char *const names[] = {"caisson-room", "caisson-minder", "caisson-first", "caisson-relay"};
    const char *mark = room_marker();
    int pids[4] = {0};
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const char *const argv[] = {"sh", "-c", "(setsid sleep $MARK) & sleep $MARK", NULL};
        struct view_command command = {.argv = argv, .environment = mark_environment};
        struct view_program *program = NULL;
        struct view *view = NULL;
        if (view_open(&layout_plain, &view, &error) == 0 && view_start(view, &command, 0, &program, &error) == 0) {
            usleep(300000);
            _exit(write(ready[1], "", 1) != 1 || pause());
        }
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_true(room_count_processes(mark) >= 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(room_count_named(names[i], &pids[i]), 1);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(room_gone(mark));
    for (size_t i = 0; i < 4; i++) {
        int rounds = 0;
        while (is_alive(pids[i], names[i]) && rounds++ < 100) {
            usleep(50000);
        }
        assert_false(is_alive(pids[i], names[i]));
    }
}

static void test_addresses(void **state)
{
    (void)state;
    struct strings addresses = {0};
    ASSERT_DONE(strings_add(&addresses, "192.0.2.7", &error));
    struct view_layout layout = {.root_path = server, .binds = &room_usr, .bind_count = 1, .addresses = &addresses};
    struct view *view = NULL;
    ASSERT_DONE(view_open(&layout, &view, &error));
    assert_shell(view, NULL, "grep -c 192.0.2.7 /proc/net/fib_trie | grep -v '^0' >/dev/null && echo known", "known");
    close_view(view);
    strings_free(&addresses);
    ASSERT_DONE(strings_add(&addresses, "not-an-address", &error));
    assert_int_equal(view_open(&layout, &view, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROFILE);
    strings_free(&addresses);
}

static int run_host(const char *script)
{
    const char *const argv[] = {"sh", "-ec", script, NULL};
    struct buffer output = {0};
    int status = -1;
    ASSERT_DONE(process_run(argv, NULL, 120, &output, &status, &error));
    if (status != 0) {
        print_message("%s", buffer_text(&output));
    }
    buffer_free(&output);
    return status;
}

/* A server of two file systems. After view_close they must be free at once: they are unmounted and mounted for writing. */
static void test_file_systems_are_free_at_once(void **state)
{
    (void)state;
    place_own_mounts();
    char *folder = room_folder();
    char script[4096];
    snprintf(script, sizeof script,
             "cd %s; mkdir disk; for i in root var; do truncate -s 16M $i.img; mkfs.ext4 -q $i.img;"
             "losetup -f --show $i.img >$i.dev && blockdev --setrw $(cat $i.dev); done; mount $(cat root.dev) disk;"
             "mkdir disk/var disk/usr disk/lib disk/lib64 disk/bin disk/etc; echo 1 >disk/etc/one; umount disk;"
             "mount -o ro $(cat root.dev) disk; mount -o ro $(cat var.dev) disk/var",
             folder);
    assert_int_equal(run_host(script), 0);
    const struct view_bind binds[] = {{.source = "/usr", .target = "/usr"},
                                      {.source = "/lib", .target = "/lib"},
                                      {.source = "/lib64", .target = "/lib64"},
                                      {.source = "/bin", .target = "/bin"}};
    char root[4096];
    snprintf(root, sizeof root, "%s/disk", folder);
    struct view_layout layout = {.root_path = root, .binds = binds, .bind_count = 4};
    char var[4096];
    snprintf(var, sizeof var, "%s/disk/var", folder);
    char *device = room_read(folder, "var.dev");
    assert_non_null(device);
    device[strcspn(device, "\n")] = '\0';
    for (int round = 0; round < 6; round++) {
        struct view *view = NULL;
        struct view_program *program = NULL;
        const char *const argv[] = {"sleep", "1000", NULL};
        struct view_command command = {.argv = argv};
        ASSERT_DONE(view_open(&layout, &view, &error));
        assert_int_equal(view_layer_count(view), 2);
        assert_string_equal(view_layer_mount(view, 1), "var");
        free(shell(view, NULL, "cat /etc/one; echo 2 >/etc/one; echo x >/var/written", 0));
        assert_int_equal(faccessat(view_layer_upper_fd(view, 1), "written", F_OK, 0), 0);
        ASSERT_DONE(view_start(view, &command, 0, &program, &error));
        if (round % 2 == 0) {
            ASSERT_DONE(view_stop(program, 5, &error));
            program = NULL;
        }
        close_view(view);
        /* Now, without waiting for so much as a process to start. */
        assert_int_equal(umount(var), 0);
        if (mount(device, var, "ext4", 0, NULL) != 0) {
            fail_msg("round %d: mounting %s for writing: %s", round, device, strerror(errno));
        }
        ASSERT_DONE(view_stop(program, 5, &error));
        snprintf(script, sizeof script,
                 "cd %s; touch disk/var/ok; umount disk/var; mount -o ro %s disk/var; test ! -e disk/var/written;"
                 "grep -qx 1 disk/etc/one",
                 folder, device);
        assert_int_equal(run_host(script), 0);
    }
    snprintf(script, sizeof script, "cd %s; umount disk/var disk; losetup -d $(cat root.dev var.dev)", folder);
    assert_int_equal(run_host(script), 0);
    free(device);
    room_remove(folder);
}

static void test_scratch(void **state)
{
    (void)state;
    char *folder = room_folder();
    room_write(server, "file", "old\n");
    struct view_layout layout = {.root_path = server, .scratch_path = folder};
    struct view *view = NULL;
    ASSERT_DONE(view_open(&layout, &view, &error));
    assert_non_null(view_scratch(view));
    assert_int_equal(strncmp(view_scratch(view), folder, strlen(folder)), 0);
    int fd = root_open(view_root_fd(view), "/file", O_WRONLY | O_TRUNC, 0, &error);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "new\n", 4), 4);
    close(fd);
    close_view(view);
    assert_int_equal(rmdir(folder), 0); /* nothing is left in it */
    assert_int_equal(mkdir(folder, 0755), 0);
    layout.keep_upper = true;
    ASSERT_DONE(view_open(&layout, &view, &error));
    ASSERT_DONE(root_replace(view_root_fd(view), "/added", "x", 1, 0644, &error));
    char *kept = strdup(view_scratch(view));
    close_view(view);
    assert_int_equal(access(kept, F_OK), 0);
    free(kept);
    char *text = room_read(server, "file");
    assert_string_equal(text, "old\n");
    free(text);
    layout.scratch_path = "/no/such/place";
    assert_int_equal(view_open(&layout, &view, &error), -1);
    assert_non_null(strstr(error.message, "/no/such/place"));
    room_remove(folder);
}

static void test_run_folders(void **state)
{
    (void)state;
    char *folder = room_folder();
    static const char *const folders[] = {"etc", "usr", "usr/lib", "usr/lib/tmpfiles.d"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        room_make(folder, folders[i]);
    }
    room_write(folder, "etc/passwd",
               "root:x:0:0:root:/root:/bin/sh\npostgres:x:105:107::/var/lib/postgresql:/bin/sh\n");
    room_write(folder, "etc/group", "root:x:0:\npostgres:x:107:\nweb:x:33:postgres\n");
    room_write(folder, "usr/lib/tmpfiles.d/app.conf",
               "# comment\nd /run/app 2770 postgres web - -\nd /run/%m 0755 - -\nD /var/lib/x 0755 - -\nd /run/x 0755 "
               "nobody-here -\n");
    struct view_layout layout = {.root_path = folder};
    struct view *view = NULL;
    struct stat status;
    ASSERT_DONE(view_open(&layout, &view, &error));
    assert_int_equal(root_lstat(view_root_fd(view), "/run/app", &status), 0);
    assert_int_equal(status.st_mode & 07777, 02770);
    assert_int_equal(status.st_uid, 105);
    assert_int_equal(status.st_gid, 33);
    assert_int_equal(root_lstat(view_root_fd(view), "/run/postgresql", &status), 0);
    assert_int_equal(status.st_mode & 07777, 02775);
    assert_int_equal(status.st_uid, 105);
    assert_int_equal(root_lstat(view_root_fd(view), "/run/lock", &status), 0);
    assert_int_equal(status.st_mode & 07777, 01777);
    assert_false(root_exists(view_root_fd(view), "/run/%m"));
    assert_false(root_exists(view_root_fd(view), "/run/x"));
    assert_false(root_exists(view_root_fd(view), "/var/lib/x"));
    close_view(view);
    room_remove(folder);
}

static int make_server(void **state)
{
    (void)state;
    server = room_server();
    snprintf(mark_variable, sizeof mark_variable, "MARK=%s", room_marker());
    layout_plain = (struct view_layout){.root_path = server, .binds = &room_usr, .bind_count = 1};
    return 0;
}

static int nothing_left(void **state)
{
    (void)state;
    struct buffer mounts = {0};
    if (file_read(AT_FDCWD, "/proc/self/mounts", 16 << 20, &mounts, NULL) != 0) {
        return -1;
    }
    int left = room_count_named("caisson-room", NULL) + (strstr(buffer_text(&mounts), server) != NULL);
    buffer_free(&mounts);
    room_remove(server);
    return left;
}

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_programs),      cmocka_unit_test(test_says_what_cannot_start),
        cmocka_unit_test(test_is_closed),          cmocka_unit_test(test_users_have_no_rights),
        cmocka_unit_test(test_writes_stay_inside), cmocka_unit_test(test_binds),
        cmocka_unit_test(test_timeout_kills_all),  cmocka_unit_test(test_background),
        cmocka_unit_test(test_log_is_bounded),     cmocka_unit_test(test_close_kills_all),
        cmocka_unit_test(test_traffic_counts),     cmocka_unit_test(test_killed_caller),
        cmocka_unit_test(test_addresses),          cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_run_folders),
    };
    /* Only root of the machine mounts disks. */
    const struct CMUnitTest as_root[] = {cmocka_unit_test(test_file_systems_are_free_at_once)};
    int failed = cmocka_run_group_tests_name("view", tests, make_server, nothing_left);
    return room_is_real_root()
               ? failed + cmocka_run_group_tests_name("view of disks", as_root, make_server, nothing_left)
               : failed;
}
