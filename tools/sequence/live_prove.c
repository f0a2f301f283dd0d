#include "sequence/live_prove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database/cluster.h"
#include "database/inventory.h"
#include "database/server.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "sequence/live_backup.h"
#include "sequence/media.h"

#define PLACE "/var/lib/caisson-proof" /* inside the view; the snapshot's folder */
#define DATA_PATH PLACE "/data"
#define CONFIG_FILE DATA_PATH "/postgresql.conf"
#define START_TIMEOUT_SEC 86400 /* the WAL of a whole base backup is played */
#define TABLE_TIMEOUT_SEC 3600
#define MAP_LIMIT ((size_t)1 << 20)

struct proving {
    const struct live_prove_options *options;
    struct live_proof *proof;
    char *folder;  /* of the scratch */
    char *cluster; /* the snapshot's folder in it */
    int data_fd;
};

/* Enough to recover whatever the server was configured for; its own settings may name libraries and files that are not here. */
static const char configuration[] = "max_prepared_transactions = 1000\n"
                                    "max_locks_per_transaction = 1024\n";

/* In the place of what was restored there. */
static int put_file(const struct proving *proving, const char *name, const char *content, struct error *error)
{
    struct stat owner;
    if (fstat(proving->data_fd, &owner) != 0 || (unlinkat(proving->data_fd, name, 0) != 0 && errno != ENOENT)) {
        return error_system(error, CSN_IO, "replacing %s of the restored cluster", name);
    }
    int fd = openat(proving->data_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = fd < 0 || fchown(fd, owner.st_uid, owner.st_gid) != 0
                     ? error_system(error, CSN_IO, "writing %s of the restored cluster", name)
                     : file_write_fd(fd, name, content, strlen(content), error);
    file_drop(&fd);
    return result;
}

/* "OID PATH" a line; a line end in a path has a backslash before it, and belongs to it. */
static int map_tablespaces(const struct proving *proving, struct error *error)
{
    struct buffer map = {0};
    struct buffer ours = {0};
    struct error missing;
    if (file_read(proving->data_fd, "tablespace_map", MAP_LIMIT, &map, &missing) != 0) {
        buffer_free(&map);
        return missing.code == CSN_NOT_FOUND ? 0 : error_set(error, missing.code, "%s", missing.message);
    }
    const char *at = buffer_text(&map);
    while (*at != '\0') {
        size_t digits = strspn(at, "0123456789");
        buffer_format(&ours, "%.*s " PLACE "/tablespaces/%.*s\n", (int)digits, at, (int)digits, at);
        for (; *at != '\0' && *at != '\n'; at++) {
            at += at[0] == '\\' && at[1] != '\0' ? 1 : 0;
        }
        at += *at == '\n' ? 1 : 0;
    }
    int result = buffer_check(&ours, error) != 0 ? -1 : put_file(proving, "tablespace_map", buffer_text(&ours), error);
    buffer_free(&map);
    buffer_free(&ours);
    return result;
}

static int restore(struct proving *proving, struct repository *repository, const char *id, struct error *error)
{
    struct buffer path = {0};
    struct strings paths = {0};
    struct repository_restore_summary summary;
    struct repository_selection selection = {.paths = &paths, .root_fd = -1, .leave_unsynced = true};
    int result = -1;
    char *scratch = realpath(proving->options->scratch, NULL);
    if (scratch == NULL) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_IO, "opening the folder %s",
                            proving->options->scratch);
    }
    buffer_format(&path, "%s/caisson-proof-XXXXXX", scratch);
    free(scratch);
    proving->folder = buffer_take(&path);
    if (proving->folder == NULL || mkdtemp(proving->folder) == NULL) {
        error_system(error, CSN_IO, "making a folder for the proof in %s", proving->options->scratch);
        free(proving->folder);
        proving->folder = NULL;
        return -1;
    }
    buffer_format(&path, "%s%s", proving->folder, LIVE_BACKUP_NAME);
    proving->cluster = buffer_take(&path);
    selection.root_fd = open(proving->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proving->cluster == NULL || selection.root_fd < 0) {
        error_system(error, CSN_IO, "opening %s", proving->folder);
    } else if (strings_add(&paths, LIVE_BACKUP_NAME, error) == 0 &&
               repository_restore(repository, id, &selection, proving->options->progress, &summary, error) == 0) {
        proving->proof->files = summary.files;
        proving->proof->bytes = summary.bytes;
        proving->data_fd =
            openat(selection.root_fd, &LIVE_BACKUP_NAME[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int data_fd = proving->data_fd < 0
                          ? -1
                          : openat(proving->data_fd, "data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        file_drop(&proving->data_fd);
        proving->data_fd = data_fd;
        result =
            data_fd < 0 ? error_system(error, CSN_DATABASE_NOT_CLUSTER, "opening the data folder of the snapshot") : 0;
    }
    file_drop(&selection.root_fd);
    strings_free(&paths);
    return result;
}

static int read_all(struct proving *proving, const struct query_target *target, struct error *error)
{
    const struct live_prove_options *options = proving->options;
    const struct inventory_options taking = {.progress = options->progress};
    struct inventory inventory = {0};
    int result = inventory_take(target, &taking, &inventory, error);
    for (size_t i = 0; i < inventory.count; i++) {
        const struct inventory_item *item = &inventory.items[i];
        proving->proof->databases += item->kind == INVENTORY_DATABASE;
        proving->proof->tables += item->kind == INVENTORY_TABLE;
        proving->proof->rows += item->kind == INVENTORY_TABLE ? item->rows : 0;
    }
    inventory_free(&inventory);
    return result != 0 ? -1
                       : integrity_check(target, TABLE_TIMEOUT_SEC, options->found, options->context, options->progress,
                                         &proving->proof->integrity, error);
}

static int start(struct proving *proving, struct view *view, struct error *error)
{
    struct cluster cluster = {0};
    struct database_server *server = NULL;
    struct error later;
    int64_t begun_ms = clock_monotonic_ms();
    const struct progress_state state = {.doing = "starting the restored database"};
    progress_tell(proving->options->progress, &state);
    int result = cluster_examine(view_root_fd(view), DATA_PATH, NULL, &cluster, error);
    if (result == 0) {
        const struct database_settings settings = {.cluster = &cluster,
                                                   .mode = DATABASE_PRIVATE,
                                                   .superuser = proving->options->superuser,
                                                   .config_file = CONFIG_FILE,
                                                   .start_timeout_sec = START_TIMEOUT_SEC};
        proving->proof->version = cluster.version;
        result = database_server_start(view, &settings, &server, error);
        proving->proof->start_ms = clock_monotonic_ms() - begun_ms;
    }
    if (result == 0) {
        struct query_target target = database_server_target(server, "template1");
        result = read_all(proving, &target, error);
        if (database_server_stop(server, 0, result == 0 ? error : &later) != 0) {
            result = -1;
        }
    }
    cluster_free(&cluster);
    return result;
}

static int start_in_view(struct proving *proving, struct error *error)
{
    const struct view_bind bind = {.source = proving->cluster, .target = PLACE, .writable = true};
    const struct view_layout layout = {.root_path = proving->options->programs, .binds = &bind, .bind_count = 1};
    struct view *view = NULL;
    struct error later;
    if (view_open(&layout, &view, error) != 0) {
        return -1;
    }
    int result = start(proving, view, error);
    return view_close(view, result == 0 ? error : &later) != 0 ? -1 : result;
}

int live_prove(struct repository *repository, const char *id, const struct live_prove_options *options,
               struct live_proof *proof, struct error *error)
{
    struct proving proving = {.options = options, .proof = proof, .data_fd = -1};
    struct error later;
    *proof = (struct live_proof){0};
    int result = restore(&proving, repository, id, error) != 0 ||
                         put_file(&proving, "postgresql.conf", configuration, error) != 0 ||
                         put_file(&proving, "postgresql.auto.conf", "", error) != 0 ||
                         map_tablespaces(&proving, error) != 0 || start_in_view(&proving, error) != 0
                     ? -1
                     : 0;
    file_drop(&proving.data_fd);
    if (proving.folder != NULL && media_remove(proving.folder, options->progress, result == 0 ? error : &later) != 0) {
        result = -1;
    }
    free(proving.folder);
    free(proving.cluster);
    return result;
}
