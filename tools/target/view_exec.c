#include "target/view_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/view_internal.h"

/* What root keeps in the room: to be root to files, and to start services under their own users. Nothing that reaches the
 * kernel, the devices, the mounts or another process's memory. */
static const int kept_capabilities[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
                                        CAP_KILL,  CAP_SETGID,       CAP_SETUID, CAP_NET_BIND_SERVICE};

static bool is_kept(int capability)
{
    for (size_t i = 0; i < sizeof kept_capabilities / sizeof kept_capabilities[0]; i++) {
        if (kept_capabilities[i] == capability) {
            return true;
        }
    }
    return false;
}

__attribute__((noreturn)) static void fail(const struct view_plan *plan, const char *doing)
{
    struct error error;
    error_system(&error, CSN_PROCESS, "starting %s in the server's root: %s", plan->argv[0], doing);
    view_child_fail(plan->report_fd, &error);
}

static void drop_rights(const struct view_plan *plan)
{
    const struct account *account = &plan->account;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    for (int capability = 0; capability <= 63; capability++) {
        if ((account->uid == 0 && is_kept(capability)) || prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) {
            continue;
        }
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
            fail(plan, "giving up rights");
        }
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
        setgroups(account->group_count, account->groups) != 0 ||
        setresgid(account->gid, account->gid, account->gid) != 0 ||
        setresuid(account->uid, account->uid, account->uid) != 0) {
        fail(plan, "becoming its user");
    }
    if (account->uid == 0) {
        for (size_t i = 0; i < sizeof kept_capabilities / sizeof kept_capabilities[0]; i++) {
            int capability = kept_capabilities[i];
            data[capability / 32].permitted |= 1u << (capability % 32);
        }
        data[0].effective = data[0].permitted;
        data[1].effective = data[1].permitted;
    }
    if (syscall(SYS_capset, &header, data) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        fail(plan, "giving up rights");
    }
}

static void reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &standard, NULL); /* those that cannot be set need not be */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As execvp(3), but with the room's PATH. */
static void search(const struct view_plan *plan)
{
    const char *path = "";
    int saved = ENOENT;
    for (const char *const *variable = plan->environment; *variable != NULL; variable++) {
        if (strncmp(*variable, "PATH=", 5) == 0) {
            path = *variable + 5;
        }
    }
    if (strchr(plan->argv[0], '/') != NULL) {
        execve(plan->argv[0], (char *const *)plan->argv, (char *const *)plan->environment);
        return;
    }
    while (*path != '\0') {
        char file[4096];
        size_t length = strcspn(path, ":");
        if (length > 0 && snprintf(file, sizeof file, "%.*s/%s", (int)length, path, plan->argv[0]) < (int)sizeof file) {
            execve(file, (char *const *)plan->argv, (char *const *)plan->environment);
            saved = errno == ENOENT ? saved : errno;
        }
        path += length;
        path += *path == ':';
    }
    errno = saved;
}

void view_exec(const struct view_plan *plan, int output_fd)
{
    const struct rlimit no_core = {0, 0};
    prctl(PR_SET_PDEATHSIG, 0);
    setsid();
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0) {
        fail(plan, "its input and output");
    }
    const int kept[] = {plan->report_fd};
    view_close_others(kept, 1);
    if (fcntl(plan->report_fd, F_SETFD, FD_CLOEXEC) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0) {
        fail(plan, "its limits");
    }
    umask(022);
    drop_rights(plan);
    if (chdir(plan->folder) != 0 && (plan->folder_asked || chdir("/") != 0)) {
        fail(plan, plan->folder);
    }
    reset_signals();
    search(plan);
    fail(plan, "the program");
}
