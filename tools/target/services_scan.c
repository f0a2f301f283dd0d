/*
 * services_scan.c - what else on the server starts or uses the application.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/services_inside.h"

#define UNIT_FILE_BYTES ((size_t)1024 * 1024)

struct scan {
    struct fence *fence;
    const struct target *target;
};

/* True if text holds word not as a part of a longer name. */
static bool mentions(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); length > 1 && at != NULL; at = strstr(at + 1, word)) {
        if (strchr("/ \t\r\n\"';:,|&)", at[length]) != NULL) { /* the NUL at the end too */
            return true;
        }
    }
    return false;
}

static bool uses_application(const struct target *target, const char *text)
{
    return mentions(text, target->installation.program_root) ||
           (target->installation.cluster != NULL && mentions(text, target->installation.cluster));
}

/* A timer, socket or path unit may start a unit of another name: Unit= or Service=. */
static bool starts_fenced(const struct fence *fence, char *text)
{
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        line += strspn(line, " \t");
        char *value = strchr(line, '=');
        if (value == NULL || (strncmp(line, "Unit", 4) != 0 && strncmp(line, "Service", 7) != 0)) {
            continue;
        }
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, " \t\r")] = '\0';
        if (strings_has(&fence->units, value)) {
            return true;
        }
    }
    return false;
}

static int scan_unit(struct scan *scan, const char *path, const char *name, struct error *error)
{
    const char *dot = strrchr(name, '.');
    bool starter =
        dot != NULL && (strcmp(dot, ".timer") == 0 || strcmp(dot, ".socket") == 0 || strcmp(dot, ".path") == 0);
    bool service = dot != NULL && strcmp(dot, ".service") == 0;
    struct buffer text = {0};
    int result = 0;
    if ((!starter && !service) || strings_has(&scan->fence->units, name) ||
        root_read(scan->target->root_fd, path, UNIT_FILE_BYTES, &text, NULL) != 0 || text.size == 0) {
        goto out;
    }
    if (service && uses_application(scan->target, text.data)) {
        result =
            fence_finding(scan->fence, error,
                          "the unit %s uses the application and is not named in the profile: it is not fenced", name);
    } else if (starter && starts_fenced(scan->fence, text.data)) {
        result = fence_unit(scan->fence, name, error);
    }
out:
    buffer_free(&text);
    return result;
}

static int scan_cron(struct scan *scan, const char *path, const char *name, struct error *error)
{
    (void)name;
    struct buffer text = {0};
    int result = 0;
    if (root_read(scan->target->root_fd, path, UNIT_FILE_BYTES, &text, NULL) == 0 && text.size > 0) {
        char *rest = text.data;
        for (char *line; result == 0 && (line = strsep(&rest, "\n")) != NULL;) {
            line += strspn(line, " \t");
            bool used = uses_application(scan->target, line);
            if (line[0] != '#' && (used || strncmp(line, "@reboot", 7) == 0)) {
                result = fence_finding(scan->fence, error, "cron (%s) %s and is not fenced: %.200s", path,
                                       used ? "uses the application" : "starts something at boot", line);
            }
        }
    }
    buffer_free(&text);
    return result;
}

static int scan_folder(struct scan *scan, const char *folder,
                       int (*look)(struct scan *scan, const char *path, const char *name, struct error *error),
                       struct error *error)
{
    int fd = root_try_open(scan->target->root_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        file_drop(&fd);
        return 0;
    }
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL;) {
        char path[PATH_MAX];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode)) {
            result = look(scan, path, entry->d_name, error);
        }
    }
    closedir(listing);
    return result;
}

int fence_scan(struct fence *fence, const struct target *target, struct error *error)
{
    static const char *const cron_folders[] = {"/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron"};
    struct scan scan = {.fence = fence, .target = target};
    int result = 0;
    for (size_t i = 0; result == 0 && i < UNIT_FOLDERS; i++) {
        result = scan_folder(&scan, unit_folders[i], scan_unit, error);
    }
    for (size_t i = 0; result == 0 && i < sizeof cron_folders / sizeof cron_folders[0]; i++) {
        result = scan_folder(&scan, cron_folders[i], scan_cron, error);
    }
    if (result == 0) {
        result = scan_cron(&scan, "/etc/crontab", "crontab", error);
    }
    struct buffer text = {0};
    if (result == 0 && root_read(target->root_fd, "/etc/rc.local", UNIT_FILE_BYTES, &text, NULL) == 0 &&
        text.size > 0 && uses_application(target, text.data)) {
        result = fence_finding(fence, error, "/etc/rc.local uses the application and is not fenced");
    }
    buffer_free(&text);
    return result;
}
