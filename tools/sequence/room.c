#include "sequence/room.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/json.h"
#include "lib/text.h"
#include "target/http.h"
#include "target/installation.h"
#include "tree/walk.h"

#define STOP_GRACE_SEC 20
#define WRITES_LISTED 100

/* Links are followed below the root, so that the kernel meets none when it binds: an absolute one would lead it into this
 * machine's own files. */
static char *source_path(const char *root_path, const char *source, struct error *error)
{
    struct buffer path = {0};
    char *whole = NULL;
    int root_fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *real = root_fd < 0 ? NULL : root_real_path(root_fd, source, error);
    if (root_fd < 0) {
        error_system(error, CSN_IO, "opening %s", root_path);
    } else if (real != NULL) {
        buffer_format(&path, "%s%s", strcmp(root_path, "/") == 0 ? "" : root_path, real);
        whole = buffer_take(&path);
        if (whole == NULL) {
            error_set(error, CSN_MEMORY, "no memory for the room");
        }
    }
    file_drop(&root_fd);
    free(real);
    return whole;
}

int room_bind(struct room_binds *binds, const char *root_path, const char *source, const char *target, bool writable,
              struct error *error)
{
    if (binds->count == ROOM_BINDS) {
        return error_set(error, CSN_INTERNAL, "more than %d paths are bound into the room", ROOM_BINDS);
    }
    char *from = source_path(root_path, source, error);
    char *to = from == NULL ? NULL : strdup(target);
    if (to == NULL) {
        free(from);
        return from == NULL ? -1 : error_set(error, CSN_MEMORY, "no memory for the room");
    }
    binds->owned[binds->owned_count++] = from;
    binds->owned[binds->owned_count++] = to;
    binds->items[binds->count++] = (struct view_bind){from, to, writable};
    return 0;
}

int room_bind_cluster(const struct run *run, const struct site *site, struct room_binds *binds, struct error *error)
{
    if (run->cluster.data_path == NULL) {
        return 0;
    }
    if (room_bind(binds, site->root_path, run->cluster.data_path, run->cluster.data_path, true, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < run->cluster.folder_count; i++) {
        const char *path = run->cluster.folders[i].target;
        if (room_bind(binds, site->root_path, path, path, true, error) != 0) {
            return -1;
        }
    }
    return 0;
}

void room_binds_free(struct room_binds *binds)
{
    for (size_t i = 0; i < binds->owned_count; i++) {
        free(binds->owned[i]);
    }
    *binds = (struct room_binds){0};
}

static int start_database(struct room *room, const struct run *run, enum database_mode mode, struct error *error)
{
    const struct profile_database *database = &run->target.profile->database;
    const struct installation *server = &run->target.installation;
    if (cluster_examine(view_root_fd(room->view), run->cluster.data_path, database->binaries, &room->cluster, error) !=
            0 ||
        cluster_require_binaries(&room->cluster, error) != 0) {
        return -1;
    }
    struct database_settings settings = {
        .cluster = &room->cluster,
        .mode = mode,
        .superuser = database->user,
        .config_file = server->cluster_config,
        .hba_file = server->cluster_hba,
    };
    return database_server_start(room->view, &settings, &room->server, error);
}

int room_open(const struct run *run, const struct site *site, const struct room_binds *binds, enum database_mode mode,
              struct room *room, struct error *error)
{
    *room = (struct room){0};
    struct view_layout layout = {
        .root_path = site->root_path,
        .scratch_path = run->scratch_path,
        .binds = binds->items,
        .bind_count = binds->count,
    };
    if (view_open(&layout, &room->view, error) != 0) {
        return -1;
    }
    if (run->cluster.data_path != NULL && start_database(room, run, mode, error) != 0) {
        struct error ignored;
        (void)!room_close(room, &ignored);
        return -1;
    }
    return 0;
}

struct query_target room_database(const struct room *room, const struct run *run)
{
    if (room->server == NULL) {
        return (struct query_target){0};
    }
    const char *name = run->target.profile->database.name;
    return database_server_target(room->server, name == NULL ? "postgres" : name);
}

/* --- the application ----------------------------------------------------------------------------------------------- */

static int start_program(struct room *room, const struct run *run, const struct profile_start *start,
                         struct error *error)
{
    if (room->program_count == ROOM_PROGRAMS) {
        return error_set(error, CSN_TARGET_PROFILE, "the profile starts more than %d programs", ROOM_PROGRAMS);
    }
    struct view_command command = {
        .argv = (const char *const *)start->command.items,
        .user = start->user,
        .environment = (const char *const *)start->environment.items,
        .folder = start->folder != NULL ? start->folder : run->target.installation.program_root,
    };
    struct view_program **program = &room->programs[room->program_count];
    if (view_start(room->view, &command, 0, program, error) != 0) {
        return error_wrap(error, "starting \"%s\"", start->name);
    }
    room->program_count++;
    int result;
    if (start->ready_url != NULL) {
        struct http_check check = {.request = {.url = start->ready_url}};
        result = http_wait_ready(room->view, &check, *program, (int)start->ready_timeout_sec, NULL, error);
    } else {
        bool ended = false;
        int status = 0;
        result = view_program_wait(*program, (int)start->ready_delay_sec, &ended, &status, error);
        if (result == 0 && ended) {
            result = error_set(error, CSN_TARGET_HTTP, "it ended at once with exit code %d", status);
        }
    }
    if (result != 0) {
        struct buffer log = {0};
        char said[600];
        (void)!view_program_log(*program, &log, NULL);
        text_one_line(buffer_text(&log), log.size, said, sizeof said);
        error_wrap(error, "the application's \"%s\" does not come up (it said: %s)", start->name, said);
        buffer_free(&log);
    }
    return result;
}

int room_start_application(struct room *room, const struct run *run, struct error *error)
{
    const struct profile *profile = run->target.profile;
    for (size_t i = 0; i < profile->start_count; i++) {
        if (start_program(room, run, &profile->starts[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

static void keep_first(int failed, int *result, struct error *error, const struct error *now)
{
    if (failed != 0 && *result == 0) {
        *result = -1;
        if (error != NULL) {
            *error = *now;
        }
    }
}

int room_close(struct room *room, struct error *error)
{
    struct error now = {0};
    int result = 0;
    while (room->program_count > 0) {
        room->program_count--;
        keep_first(view_stop(room->programs[room->program_count], STOP_GRACE_SEC, &now), &result, error, &now);
    }
    keep_first(database_server_stop(room->server, 0, &now), &result, error, &now);
    keep_first(view_close(room->view, &now), &result, error, &now);
    cluster_free(&room->cluster);
    *room = (struct room){0};
    return result;
}

/* --- what was written and lost ------------------------------------------------------------------------------------- */

struct writes {
    yyjson_mut_doc *document;
    yyjson_mut_val *paths;
    const char *mount;
    uint64_t count;
};

/* Logs, caches and run-time files come and go with every start: no news for anybody. */
static bool is_everyday(const char *path)
{
    static const char *const everyday[] = {
        "/run",    "/tmp", "/var/tmp", "/var/log", "/var/cache", "/dev", "/proc", "/sys", "/var/lib/php/sessions",
        "/var/run"};
    for (size_t i = 0; i < sizeof everyday / sizeof everyday[0]; i++) {
        if (path_is_inside(path, everyday[i])) {
            return true;
        }
    }
    return false;
}

static int see_write(void *context, const struct tree_visit *visit, struct error *error)
{
    struct writes *writes = context;
    (void)error;
    if (visit->entry->type == TREE_FOLDER || visit->event != TREE_ENTER) {
        return 0;
    }
    struct buffer path = {0};
    buffer_format(&path, "%s%s/%s", writes->mount[0] == '\0' ? "" : "/", writes->mount, visit->entry->path);
    if (!path.failed && !is_everyday(path.data)) {
        if (++writes->count <= WRITES_LISTED) {
            yyjson_mut_val *item = yyjson_mut_arr_add_obj(writes->document, writes->paths);
            json_add_bytes(writes->document, item, "path", path.data, path.size);
        }
    }
    buffer_free(&path);
    return 0;
}

int room_record_writes(const struct room *room, const struct site *site, struct error *error)
{
    struct writes writes = {.document = yyjson_mut_doc_new(NULL)};
    yyjson_mut_val *fields = yyjson_mut_obj(writes.document);
    writes.paths = yyjson_mut_arr(writes.document);
    int result = writes.document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record") : 0;
    struct tree_walk_options options = {.tolerate_vanished = true};
    for (size_t i = 0; result == 0 && i < view_layer_count(room->view); i++) {
        int upper_fd = view_layer_upper_fd(room->view, i);
        writes.mount = view_layer_mount(room->view, i);
        if (upper_fd >= 0) {
            result = tree_walk(upper_fd, "/", &options, see_write, &writes, error);
        }
    }
    if (result == 0 && writes.count > 0) {
        yyjson_mut_obj_add_str(writes.document, fields, "step", site->place.step);
        yyjson_mut_obj_add_uint(writes.document, fields, "count", writes.count);
        yyjson_mut_obj_add_val(writes.document, fields, "paths", writes.paths);
        result = journal_append(site->place.journal, "written-elsewhere", fields, error);
    }
    yyjson_mut_doc_free(writes.document);
    return result;
}
