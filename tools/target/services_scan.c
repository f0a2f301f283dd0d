/*
 * services_scan.c - what else on the server starts or uses the application.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/installation.h"
#include "target/services_inside.h"

#define TEXT_BYTES ((size_t)1024 * 1024)

struct scan {
    struct fence *fence;
    const struct target *target;
};

/* A path of a text, from at: up to a blank, a quote, or what ends a word in a shell, a list or a URL. */
static bool take_path(const char *at, char path[PATH_MAX])
{
    size_t length = strcspn(at, " \t\r\n\"'`;:,|&()<>{}$\\*?");
    while (length > 1 && (at[length - 1] == '/' || at[length - 1] == '.')) {
        length--;
    }
    return length > 1 && snprintf(path, PATH_MAX, "%.*s", (int)length, at) < PATH_MAX;
}

static bool is_of_application(const struct target *target, const char *path)
{
    return path_is_inside(path, target->installation.program_root) ||
           (target->installation.cluster != NULL && path_is_inside(path, target->installation.cluster));
}

/* The path as written, and where it leads on this server: /opt/app may be a link to /opt/app-1.2, and what is started may be a
 * link into it. What is not there lies where the deepest folder of it that is there lies. */
static bool leads_into_application(const struct target *target, char path[PATH_MAX])
{
    bool leads = is_of_application(target, path);
    for (char *slash = path; !leads && slash != NULL && path[0] != '\0';) {
        struct error none;
        char *real = root_real_path(target->root_fd, path, &none);
        if (real != NULL) {
            leads = is_of_application(target, real);
            free(real);
            break;
        }
        slash = strrchr(path, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    return leads;
}

static bool line_uses_application(const struct target *target, const char *line, const char *end)
{
    for (const char *at = strchr(line, '/'); at != NULL && at < end; at = strchr(at, '/')) {
        char path[PATH_MAX];
        bool begins = at == line || strchr(" \t\"'`;:,|&()<>{}=-+!@~", at[-1]) != NULL;
        if (begins && take_path(at, path) && leads_into_application(target, path)) {
            return true;
        }
        at += strcspn(at, " \t\r\n\"'`;:,|&()<>{}=");
    }
    return false;
}

/* Any line but a comment. */
static bool uses_application(const struct target *target, const char *text)
{
    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        line += strspn(line, " \t");
        if (line[0] != '#' && line[0] != ';' && line_uses_application(target, line, end)) {
            return true;
        }
        line = *end == '\n' ? end + 1 : end;
    }
    return false;
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

typedef int look_function(struct scan *scan, const char *path, const char *name, struct error *error);

static bool has_ending(const char *name, const char *ending)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && strcmp(dot, ending) == 0;
}

/* What a name of the unit folders really is: an alias has the unit's file behind it. */
static bool is_fenced(const struct scan *scan, const char *path, const char *name)
{
    struct error none;
    char *real = root_real_path(scan->target->root_fd, path, &none);
    const char *slash = real == NULL ? NULL : strrchr(real, '/');
    bool fenced =
        strings_has(&scan->fence->units, name) || (slash != NULL && strings_has(&scan->fence->units, slash + 1));
    free(real);
    return fenced;
}

static int scan_unit(struct scan *scan, const char *path, const char *name, struct error *error)
{
    bool starter = has_ending(name, ".timer") || has_ending(name, ".socket") || has_ending(name, ".path");
    bool service = has_ending(name, ".service");
    struct buffer text = {0};
    int result = 0;
    if ((!starter && !service) || is_fenced(scan, path, name) ||
        root_read(scan->target->root_fd, path, TEXT_BYTES, &text, NULL) != 0 || text.size == 0) {
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
    if (root_read(scan->target->root_fd, path, TEXT_BYTES, &text, NULL) == 0 && text.size > 0) {
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

/* A script or a file of another starter's configuration. */
static int scan_text(struct scan *scan, const char *path, const char *name, struct error *error)
{
    struct buffer text = {0};
    int result = 0;
    (void)name;
    if (root_read(scan->target->root_fd, path, TEXT_BYTES, &text, NULL) == 0 && text.size > 0 &&
        uses_application(scan->target, text.data)) {
        result = fence_finding(scan->fence, error, "%s uses the application and is not fenced", path);
    }
    buffer_free(&text);
    return result;
}

/* systemd makes a service of each script, unless there is a unit of that name. */
static int scan_init(struct scan *scan, const char *path, const char *name, struct error *error)
{
    char unit[NAME_MAX + 16];
    snprintf(unit, sizeof unit, "%s.service", name);
    return strings_has(&scan->fence->units, unit) ? 0 : scan_text(scan, path, name, error);
}

static int scan_folder(struct scan *scan, const char *folder, look_function *look, struct error *error);

/* A drop-in that makes a unit use the application: UNIT.d/NAME.conf. */
static int scan_drop_ins(struct scan *scan, const char *path, const char *name, struct error *error)
{
    char unit[NAME_MAX + 1];
    snprintf(unit, sizeof unit, "%.*s", (int)strlen(name) - 2, name);
    return has_ending(name, ".d") && has_ending(unit, ".service") && !strings_has(&scan->fence->units, unit)
               ? scan_folder(scan, path, scan_text, error)
               : 0;
}

static int scan_folder(struct scan *scan, const char *folder, look_function *look, struct error *error)
{
    mode_t wanted = look == scan_drop_ins ? S_IFDIR : S_IFREG;
    int fd = root_try_open(scan->target->root_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        file_drop(&fd);
        return 0;
    }
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL;) {
        char path[PATH_MAX];
        struct stat status = {0};
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        /* Followed, as systemd and cron do: a unit may be a link to a file of the application's own tree. */
        int at = entry->d_name[0] == '.' ? -1 : root_try_open(scan->target->root_fd, path, O_PATH, 0);
        if (at >= 0 && fstat(at, &status) == 0 && (status.st_mode & S_IFMT) == wanted) {
            result = look(scan, path, entry->d_name, error);
        }
        file_drop(&at);
    }
    closedir(listing);
    return result;
}

/* Where programs are started from, besides the folders of units. Globs in any part. */
static const struct {
    const char *pattern;
    look_function *look;
    bool is_file;
} starters[] = {
    {"/etc/crontab", scan_cron, true},
    {"/etc/anacrontab", scan_cron, true},
    {"/etc/cron.d", scan_cron, false},
    {"/var/spool/cron", scan_cron, false},
    {"/var/spool/cron/crontabs", scan_cron, false},
    {"/var/spool/cron/tabs", scan_cron, false},
    {"/var/spool/cron/atjobs", scan_text, false},
    {"/var/spool/at", scan_text, false},
    {"/etc/cron.hourly", scan_text, false},
    {"/etc/cron.daily", scan_text, false},
    {"/etc/cron.weekly", scan_text, false},
    {"/etc/cron.monthly", scan_text, false},
    {"/etc/rc.local", scan_text, true},
    {"/etc/rc.d/rc.local", scan_text, true},
    {"/etc/init.d/boot.local", scan_text, true},
    {"/etc/init.d", scan_init, false},
    {"/etc/rc.d/init.d", scan_init, false},
    {"/etc/inittab", scan_text, true},
    {"/etc/xinetd.d", scan_text, false},
    {"/etc/inetd.conf", scan_text, true},
    {"/etc/supervisord.conf", scan_text, true},
    {"/etc/supervisord.d", scan_text, false},
    {"/etc/supervisor/conf.d", scan_text, false},
    {"/etc/systemd/user", scan_unit, false},
    {"/usr/lib/systemd/user", scan_unit, false},
    {"/root/.config/systemd/user", scan_unit, false},
    {"/home/*/.config/systemd/user", scan_unit, false},
};

static int scan_starter(struct scan *scan, size_t i, struct error *error)
{
    struct strings paths = {0};
    int result = pattern_expand(scan->target->root_fd, starters[i].pattern, &paths, error);
    for (size_t k = 0; result == 0 && k < paths.count; k++) {
        result = starters[i].is_file ? starters[i].look(scan, paths.items[k], "", error)
                                     : scan_folder(scan, paths.items[k], starters[i].look, error);
    }
    strings_free(&paths);
    return result;
}

int fence_scan(struct fence *fence, const struct target *target, struct error *error)
{
    struct scan scan = {.fence = fence, .target = target};
    int result = 0;
    for (size_t i = 0; result == 0 && i < UNIT_FOLDERS; i++) {
        result = scan_folder(&scan, unit_folders[i], scan_unit, error);
    }
    for (size_t i = 0; result == 0 && i < UNIT_FOLDERS; i++) {
        result = scan_folder(&scan, unit_folders[i], scan_drop_ins, error);
    }
    for (size_t i = 0; result == 0 && i < sizeof starters / sizeof starters[0]; i++) {
        result = scan_starter(&scan, i, error);
    }
    return result;
}
