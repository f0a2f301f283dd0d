#include "database/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database/cluster_find.h"
#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/strings.h"
#include "target/installation.h"

static int no_memory(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory to describe a database");
}

/* "<data>/<name>" into path. */
static int below(const struct cluster *cluster, const char *name, char path[4096], struct error *error)
{
    if (snprintf(path, 4096, "%s/%s", cluster->data_path, name) >= 4096) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "the path %s/%s is too long", cluster->data_path, name);
    }
    return 0;
}

static bool has_file(int root_fd, const struct cluster *cluster, const char *name)
{
    char path[4096];
    return below(cluster, name, path, NULL) == 0 && root_exists(root_fd, path);
}

static int read_version(int root_fd, struct cluster *cluster, struct error *error)
{
    char path[4096];
    struct buffer content = {0};
    if (below(cluster, "PG_VERSION", path, error) != 0) {
        return -1;
    }
    if (root_read(root_fd, path, 64, &content, error) != 0) {
        if (error != NULL && error->code == CSN_NOT_FOUND) {
            error_set(error, CSN_DATABASE_NOT_CLUSTER, "%s has no file PG_VERSION", cluster->data_path);
        }
        buffer_free(&content);
        return -1;
    }
    char *end = NULL;
    long version = strtol(buffer_text(&content), &end, 10);
    bool whole = end != buffer_text(&content) && (*end == '\n' || *end == '\0');
    int result = 0;
    if (!whole || version < 10 || version > 99) {
        result = error_set(error, CSN_DATABASE_NOT_CLUSTER, "%s says \"%.*s\", not a version from 10 on", path,
                           (int)strcspn(buffer_text(&content), "\r\n"), buffer_text(&content));
    }
    cluster->version = (int)version;
    buffer_free(&content);
    return result;
}

static int read_owner(int root_fd, struct cluster *cluster, struct error *error)
{
    struct stat status;
    int fd = root_open(root_fd, cluster->data_path, O_RDONLY | O_DIRECTORY, 0, error);
    if (fd < 0) {
        if (error != NULL && error->code == CSN_NOT_FOUND) {
            error->code = CSN_DATABASE_NOT_CLUSTER;
        }
        return -1;
    }
    int result = fstat(fd, &status) != 0 ? error_system(error, CSN_IO, "asking about %s", cluster->data_path) : 0;
    cluster->uid = status.st_uid;
    cluster->gid = status.st_gid;
    file_drop(&fd);
    return result;
}

static void read_pid(int root_fd, struct cluster *cluster)
{
    char path[4096];
    struct buffer content = {0};
    cluster->has_pid_file = has_file(root_fd, cluster, "postmaster.pid");
    if (cluster->has_pid_file && below(cluster, "postmaster.pid", path, NULL) == 0 &&
        root_read(root_fd, path, 65536, &content, NULL) == 0) {
        cluster->pid = strtol(buffer_text(&content), NULL, 10);
    }
    buffer_free(&content);
}

static int add_folder(struct cluster *cluster, const char *link, const char *target, struct error *error)
{
    struct cluster_folder *grown = realloc(cluster->folders, (cluster->folder_count + 1) * sizeof *cluster->folders);
    if (grown == NULL) {
        return no_memory(error);
    }
    cluster->folders = grown;
    struct cluster_folder *folder = &grown[cluster->folder_count];
    *folder = (struct cluster_folder){.link = strdup(link), .target = strdup(target)};
    cluster->folder_count++;
    return folder->link == NULL || folder->target == NULL ? no_memory(error) : 0;
}

/* A link of the cluster that leads out of it. A plain folder, and a link to a place inside, are part of it anyway. */
static int look_at_link(int root_fd, struct cluster *cluster, const char *link, struct error *error)
{
    char path[4096];
    char target[4096];
    struct stat status;
    if (below(cluster, link, path, error) != 0) {
        return -1;
    }
    int fd = root_try_open(root_fd, path, O_PATH | O_NOFOLLOW, 0);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISLNK(status.st_mode)) {
        file_drop(&fd);
        return 0;
    }
    ssize_t size = readlinkat(fd, "", target, sizeof target - 1);
    file_drop(&fd);
    if (size <= 0) {
        return error_system(error, CSN_IO, "reading the link %s", path);
    }
    target[size] = '\0';
    while (size > 1 && target[size - 1] == '/') {
        target[--size] = '\0';
    }
    if (target[0] != '/') {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "the link %s leads to %s, which is not an absolute path",
                         path, target);
    }
    fd = root_try_open(root_fd, target, O_PATH | O_DIRECTORY, 0);
    if (fd < 0) {
        return error_set(error, CSN_DATABASE_NOT_CLUSTER, "%s leads to %s, where there is no folder", path, target);
    }
    file_drop(&fd);
    /* The folder itself, not a link on the way to it: what is copied, bound and exchanged must be the data. */
    char *real = root_real_path(root_fd, target, error);
    int result = real == NULL                               ? -1
                 : path_is_inside(real, cluster->data_path) ? 0
                                                            : add_folder(cluster, link, real, error);
    free(real);
    return result;
}

static int read_links(int root_fd, struct cluster *cluster, struct error *error)
{
    char path[4096];
    struct strings names = {0};
    int result = -1;
    DIR *folder = NULL;
    if (below(cluster, "pg_tblspc", path, error) != 0) {
        return -1;
    }
    int fd = root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
    if (fd < 0) {
        goto out;
    }
    folder = fdopendir(fd);
    if (folder == NULL) {
        file_drop(&fd);
        error_system(error, CSN_IO, "reading %s", path);
        goto out;
    }
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; errno = 0, entry = readdir(folder)) {
        if (entry->d_name[0] != '.' && strings_add(&names, entry->d_name, error) != 0) {
            goto out;
        }
    }
    if (errno != 0) {
        error_system(error, CSN_IO, "reading %s", path);
        goto out;
    }
    strings_sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        char link[512];
        snprintf(link, sizeof link, "pg_tblspc/%s", names.items[i]);
        if (look_at_link(root_fd, cluster, link, error) != 0) {
            goto out;
        }
    }
    result = look_at_link(root_fd, cluster, "pg_wal", error);
out:
    if (folder != NULL) {
        closedir(folder);
    }
    strings_free(&names);
    return result;
}

/* One that is being brought back where it lies has no control file of the usual name. */
static int read_state(int root_fd, struct cluster *cluster, struct error *error)
{
    cluster->is_held = has_file(root_fd, cluster, CLUSTER_CONTROL_HELD) && !has_file(root_fd, cluster, CLUSTER_CONTROL);
    return cluster->is_held ? cluster_read_held_control(root_fd, cluster->data_path, &cluster->control, error)
                            : cluster_read_control(root_fd, cluster->data_path, &cluster->control, error);
}

/* Without links, for the same reason; a path that leads nowhere stays, for the message. */
static char *plain_path(int root_fd, const char *path)
{
    struct error none;
    char *real = root_real_path(root_fd, path, &none);
    if (real != NULL) {
        return real;
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    return strndup(path, length);
}

int cluster_examine(int root_fd, const char *data_path, const char *binaries, struct cluster *cluster,
                    struct error *error)
{
    *cluster = (struct cluster){.data_path = plain_path(root_fd, data_path)};
    if (cluster->data_path == NULL) {
        return no_memory(error);
    }
    if (read_owner(root_fd, cluster, error) != 0 || read_version(root_fd, cluster, error) != 0 ||
        read_state(root_fd, cluster, error) != 0 || read_links(root_fd, cluster, error) != 0 ||
        cluster_find_binaries(root_fd, binaries, cluster->version, &cluster->binaries, error) != 0 ||
        cluster_find_config(root_fd, cluster->data_path, cluster->version, &cluster->config_file, error) != 0) {
        cluster_free(cluster);
        return -1;
    }
    read_pid(root_fd, cluster);
    cluster->is_standby = has_file(root_fd, cluster, "standby.signal") ||
                          has_file(root_fd, cluster, "recovery.signal") || has_file(root_fd, cluster, "recovery.conf");
    return 0;
}

void cluster_free(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->folder_count; i++) {
        free(cluster->folders[i].link);
        free(cluster->folders[i].target);
    }
    free(cluster->folders);
    free(cluster->data_path);
    free(cluster->binaries);
    free(cluster->config_file);
    *cluster = (struct cluster){0};
}

int cluster_require_clean(const struct cluster *cluster, struct error *error)
{
    if (cluster->is_held) {
        return error_set(error, CSN_DATABASE_UNCLEAN,
                         "the cluster %s is half brought back from a backup; the run that began it ends it",
                         cluster->data_path);
    }
    if (cluster->is_standby) {
        return error_set(error, CSN_DATABASE_UNCLEAN, "the cluster %s is a standby or waits for recovery",
                         cluster->data_path);
    }
    if (cluster->control.state != CLUSTER_SHUT_DOWN) {
        return error_set(error, CSN_DATABASE_UNCLEAN, "the cluster %s is \"%s\", not \"shut down\"%s",
                         cluster->data_path, cluster_state_text(cluster->control.state),
                         cluster->has_pid_file ? ", and has a postmaster.pid" : "");
    }
    return 0;
}

bool cluster_is_recoverable(const struct cluster *cluster)
{
    return !cluster->is_standby && !cluster->is_held &&
           (cluster->control.state == CLUSTER_STARTING || cluster->control.state == CLUSTER_SHUTTING_DOWN ||
            cluster->control.state == CLUSTER_IN_CRASH_RECOVERY || cluster->control.state == CLUSTER_IN_PRODUCTION);
}

int cluster_require_binaries(const struct cluster *cluster, struct error *error)
{
    if (cluster->binaries == NULL) {
        return error_set(error, CSN_DATABASE_VERSION,
                         "the cluster %s is of PostgreSQL %d, and no postgres %d was found", cluster->data_path,
                         cluster->version, cluster->version);
    }
    return 0;
}
