#include "target/view_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/accounts.h"

/* Makes one folder below /run. What the server's own boot would tolerate (an unknown user, a name with a specifier) is
 * left out here too: a program that misses it says so itself. */
static int make_folder(int root_fd, const char *path, mode_t mode, uid_t uid, gid_t gid, struct error *error)
{
    if (root_make_dirs(root_fd, path, 0755, error) != 0) {
        return -1;
    }
    int fd = root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
    if (fd < 0) {
        return -1;
    }
    int result = 0;
    if (fchown(fd, uid, gid) != 0 || fchmod(fd, mode) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "giving %s its owner", path);
    }
    file_drop(&fd);
    return result;
}

/* "d /run/postgresql 2775 postgres postgres - -"; "-" and a missing field mean the default. */
static int take_line(int root_fd, char *line, struct error *error)
{
    char *fields[5] = {NULL};
    for (size_t i = 0; i < 5 && line != NULL; i++) {
        line += strspn(line, " \t");
        fields[i] = strsep(&line, " \t");
    }
    const char *type = fields[0];
    const char *path = fields[1];
    if (type == NULL || path == NULL || (type[0] != 'd' && type[0] != 'D') || strchr(path, '%') != NULL ||
        !(path_is_inside(path, "/run") || path_is_inside(path, "/var/run"))) {
        return 0;
    }
    mode_t mode = 0755;
    if (fields[2] != NULL && fields[2][0] != '-') {
        mode = (mode_t)strtoul(fields[2] + strspn(fields[2], "~:"), NULL, 8) & 07777;
    }
    struct account owner = {0};
    gid_t gid = 0;
    if ((fields[3] != NULL && fields[3][0] != '-' && account_find(root_fd, fields[3], &owner, NULL) != 0) ||
        (fields[4] != NULL && fields[4][0] != '-' && account_find_group(root_fd, fields[4], &gid, NULL) != 0)) {
        return 0;
    }
    return make_folder(root_fd, path, mode, owner.uid, gid, error);
}

static int read_file(int root_fd, const char *path, struct error *error)
{
    struct buffer content = {0};
    int result = root_read(root_fd, path, 1 << 20, &content, error);
    char *text = content.data;
    for (char *line = strsep(&text, "\n"); line != NULL && result == 0; line = strsep(&text, "\n")) {
        result = take_line(root_fd, line, error);
    }
    buffer_free(&content);
    return result;
}

static int list_folder(int root_fd, const char *path, struct strings *names, struct error *error)
{
    int fd = root_try_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        file_drop(&fd);
        return 0;
    }
    int result = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && result == 0; entry = readdir(folder)) {
        size_t length = strlen(entry->d_name);
        if (length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0 && !strings_has(names, entry->d_name)) {
            result = strings_add(names, entry->d_name, error);
        }
    }
    closedir(folder);
    return result;
}

int view_make_run_folders(int root_fd, struct error *error)
{
    static const char *const folders[] = {"/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"};
    struct strings names = {0};
    int result = make_folder(root_fd, "/run/lock", 01777, 0, 0, error);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && result == 0; i++) {
        result = list_folder(root_fd, folders[i], &names, error);
    }
    for (size_t i = 0; i < names.count && result == 0; i++) {
        /* The site's file stands for the vendor's of the same name, as at boot. */
        for (size_t j = 0; j < sizeof folders / sizeof folders[0]; j++) {
            struct buffer path = {0};
            buffer_format(&path, "%s/%s", folders[j], names.items[i]);
            bool is_there = buffer_check(&path, NULL) == 0 && root_exists(root_fd, path.data);
            if (is_there && read_file(root_fd, path.data, NULL) != 0) {
                is_there = true; /* a link to /dev/null, or not readable: nothing from it */
            }
            buffer_free(&path);
            if (is_there) {
                break;
            }
        }
    }
    /* PostgreSQL's usual place, also where the package has no tmpfiles.d. */
    struct account owner = {0};
    if (result == 0 && account_find(root_fd, "postgres", &owner, NULL) == 0) {
        result = make_folder(root_fd, "/run/postgresql", 02775, owner.uid, owner.gid, error);
    }
    strings_free(&names);
    return result;
}
