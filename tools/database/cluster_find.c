#include "database/cluster_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/strings.h"
#include "target/installation.h"

/* Every postgres carries its `--version` answer as one string. */
static const char version_mark[] = "postgres (PostgreSQL) ";

int cluster_program_version(int root_fd, const char *path, int *version, struct error *error)
{
    enum { CHUNK = 1 << 18, OVERLAP = 64 };
    *version = 0;
    int fd = root_try_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return 0;
    }
    int result = 0;
    struct stat status;
    char *chunk = malloc(OVERLAP + CHUNK + 1);
    if (chunk == NULL) {
        result = error_set(error, CSN_MEMORY, "no memory to look into %s", path);
        goto out;
    }
    size_t kept = 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        goto out;
    }
    for (;;) {
        ssize_t got = read(fd, chunk + kept, CHUNK);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            result = error_system(error, CSN_IO, "reading %s", path);
            break;
        }
        if (got == 0) {
            break;
        }
        size_t size = kept + (size_t)got;
        chunk[size] = '\0';
        const char *mark = memmem(chunk, size, version_mark, sizeof version_mark - 1);
        /* With digits cut off at the chunk's end it is found again in the next one, which begins before it. */
        if (mark != NULL && ((size_t)(mark - chunk) + sizeof version_mark + 8 < size || got < CHUNK)) {
            *version = (int)strtol(mark + sizeof version_mark - 1, NULL, 10);
            break;
        }
        kept = size < OVERLAP ? size : OVERLAP;
        memmove(chunk, chunk + size - kept, kept);
    }
out:
    free(chunk);
    file_drop(&fd);
    return result;
}

/* Takes folder if its postgres is of that version. */
static int try_folder(int root_fd, const char *folder, int version, char **binaries, struct error *error)
{
    char path[4096];
    int found = 0;
    if (*binaries != NULL || snprintf(path, sizeof path, "%s/postgres", folder) >= (int)sizeof path) {
        return 0;
    }
    if (cluster_program_version(root_fd, path, &found, error) != 0) {
        return -1;
    }
    if (found == version) {
        *binaries = strdup(folder);
        if (*binaries == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the path %s", folder);
        }
    }
    return 0;
}

/* Below /opt, in a folder's bin or one deeper: what a vendor or a site has brought along (/opt/NAME/pgsql/bin, /opt/PostgreSQL/15/bin). */
static int try_below(int root_fd, const char *folder, int depth, int version, char **binaries, struct error *error)
{
    int fd = root_try_open(root_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        file_drop(&fd);
        return 0;
    }
    int result = 0;
    for (struct dirent *entry = readdir(entries); entry != NULL && result == 0 && *binaries == NULL;
         entry = readdir(entries)) {
        char path[4096];
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s/bin", folder, entry->d_name) >= (int)sizeof path) {
            continue;
        }
        result = try_folder(root_fd, path, version, binaries, error);
        *strrchr(path, '/') = '\0';
        result = result != 0 || depth == 0 ? result : try_below(root_fd, path, depth - 1, version, binaries, error);
    }
    closedir(entries);
    return result;
}

int cluster_find_binaries(int root_fd, const char *given, int version, char **binaries, struct error *error)
{
    char path[128];
    *binaries = NULL;
    if (given != NULL) {
        return try_folder(root_fd, given, version, binaries, error);
    }
    static const char *const plain[] = {"/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"};
    int result = 0;
    snprintf(path, sizeof path, "/usr/lib/postgresql/%d/bin", version); /* Debian */
    result = try_folder(root_fd, path, version, binaries, error);
    snprintf(path, sizeof path, "/usr/pgsql-%d/bin", version); /* Red Hat */
    result = result == 0 ? try_folder(root_fd, path, version, binaries, error) : result;
    snprintf(path, sizeof path, "/usr/lib/postgresql%d/bin", version); /* SUSE */
    result = result == 0 ? try_folder(root_fd, path, version, binaries, error) : result;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0] && result == 0; i++) {
        result = try_folder(root_fd, plain[i], version, binaries, error);
    }
    return result == 0 ? try_below(root_fd, "/opt", 1, version, binaries, error) : result;
}

static int take(const char *path, char **config_file, struct error *error)
{
    *config_file = strdup(path);
    return *config_file == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", path) : 0;
}

int cluster_find_config(int root_fd, const char *data_path, int version, char **config_file, struct error *error)
{
    char path[4096];
    *config_file = NULL;
    char number[16];
    snprintf(number, sizeof number, "%d", version);
    if (installation_debian_config(root_fd, data_path, number, config_file, error) != 0 || *config_file != NULL) {
        return *config_file == NULL ? -1 : 0;
    }
    if (snprintf(path, sizeof path, "%s/postgresql.conf", data_path) < (int)sizeof path && root_exists(root_fd, path)) {
        return take(path, config_file, error);
    }
    return 0;
}
