/*
 * step_stage.c - the new program tree beside the old, a clone of the database beside the old, migrated there hop by hop.
 *
 * Every path made is a deed first. The migrations run in a room where the staged tree, the clone and the copies of the
 * configuration stand at their real paths: nothing of the old version is touched. Only where there is no room for a clone, and the job lets
 * it, is the database migrated where it lies (in_place.h).
 */
#include "sequence/steps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database/clone.h"
#include "database/migrate.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/root.h"
#include "sequence/attachments.h"
#include "sequence/carry.h"
#include "sequence/checks.h"
#include "sequence/configuration.h"
#include "sequence/durable.h"
#include "sequence/in_place.h"
#include "sequence/plan.h"
#include "sequence/room.h"
#include "target/accounts.h"
#include "target/installation.h"
#include "tree/compare.h"
#include "tree/copy.h"
#include "tree/remove.h"

#define SQL_LIMIT ((size_t)256 << 20)
#define OUTPUT_KEPT 4000
#define MIGRATION_FOLDER "/run/caisson-migrations"

struct staging {
    struct run *run;
    struct site *site;
    char *program;                /* where the present hop's tree stands */
    bool in_place;                /* the cluster is migrated where it lies: there is no clone, */
    struct clone_plan clone;      /* and nothing in this */
    struct strings configs;       /* configuration outside of the program tree and the cluster */
    struct strings config_copies; /* by the same index */
};

/* --- what stands beside -------------------------------------------------------------------------------------------- */

/* Whom the new tree belongs to: as the package says, else as the present one. */
static int find_owner(const struct staging *staging, const struct package *package, uid_t *uid, gid_t *gid,
                      struct error *error)
{
    int root_fd = staging->site->place.root_fd;
    const char *program_root = staging->run->target.installation.program_root;
    struct account account;
    struct stat present;
    if (root_lstat(root_fd, program_root, &present) != 0) {
        return error_system(error, CSN_TREE_READ, "looking at %s", program_root);
    }
    *uid = present.st_uid;
    *gid = present.st_gid;
    if (package->owner != NULL) {
        if (account_find(root_fd, package->owner, &account, error) != 0) {
            return -1;
        }
        *uid = account.uid;
    }
    return package->group == NULL ? 0 : account_find_group(root_fd, package->group, gid, error);
}

/* The hop's tree; of the last one with the site's own in it. */
static int stage_program(struct staging *staging, size_t hop, struct error *error)
{
    struct run *run = staging->run;
    const struct deed_place *place = &staging->site->place;
    const struct package *package = run->hops[hop];
    bool last = hop + 1 == run->hop_count;
    struct buffer name = {0};
    buffer_string(&name, run->target.installation.program_root);
    if (!last) {
        buffer_format(&name, ".hop%zu", hop + 1);
    }
    free(staging->program);
    staging->program = run_staged_path(run, buffer_text(&name), error);
    buffer_clear(&name);
    buffer_format(&name, "%s.unpacking", staging->program == NULL ? "" : staging->program);
    uid_t uid = 0;
    gid_t gid = 0;
    int64_t unpacking_seq;
    int64_t seq;
    int result = -1;
    if (staging->program != NULL && find_owner(staging, package, &uid, &gid, error) == 0 &&
        deed_folder_of(place, staging->program, error) == 0 &&
        deed_create_begin(place, buffer_text(&name), &unpacking_seq, error) == 0 &&
        deed_create_begin(place, staging->program, &seq, error) == 0 &&
        package_unpack_tree(package, place->root_fd, staging->program, uid, gid, &run->console->progress, error) == 0 &&
        carry_over(run, staging->site, hop, staging->program, error) == 0 &&
        durable_sync_site(run, staging->site, error) == 0) {
        result = deed_create_end(place, seq, error);
    }
    buffer_free(&name);
    return result;
}

static int record_clone(const struct staging *staging, const struct clone_report *made, int64_t milliseconds,
                        struct error *error)
{
    const struct deed_place *place = &staging->site->place;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", place->step);
    yyjson_mut_obj_add_uint(document, fields, "files", made->files);
    yyjson_mut_obj_add_uint(document, fields, "copied_bytes", made->copied_bytes);
    yyjson_mut_obj_add_uint(document, fields, "shared_bytes", made->shared_bytes);
    yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(place->journal, "clone", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int stage_cluster(struct staging *staging, struct error *error)
{
    struct run *run = staging->run;
    const struct deed_place *place = &staging->site->place;
    if (run->cluster.data_path == NULL || staging->in_place) {
        return 0;
    }
    char folder[STAGED_FOLDER_SIZE];
    run_staged_folder(run, folder);
    int result = clone_plan(place->root_fd, &run->cluster, folder, &staging->clone, error);
    int64_t seqs[64] = {0};
    if (result == 0 && staging->clone.pair_count > sizeof seqs / sizeof seqs[0]) {
        return error_set(error, CSN_TARGET_PROFILE, "the cluster has more than %zu folders elsewhere",
                         sizeof seqs / sizeof seqs[0]);
    }
    for (size_t i = 0; result == 0 && i < staging->clone.pair_count; i++) {
        const char *copy = staging->clone.pairs[i].copy;
        result = deed_folder_of(place, copy, error) == 0 ? deed_create_begin(place, copy, &seqs[i], error) : -1;
    }
    if (result == 0) {
        struct clone_report made;
        int64_t begun_ms = clock_monotonic_ms();
        result = clone_make(place->root_fd, &run->cluster, &staging->clone, run->job.recover_database,
                            &run->console->progress, &made, error) != 0 ||
                         record_clone(staging, &made, clock_monotonic_ms() - begun_ms, error) != 0
                     ? -1
                     : 0;
    }
    for (size_t i = 0; result == 0 && i < staging->clone.pair_count; i++) {
        result = deed_create_end(place, seqs[i], error);
    }
    return result;
}

static bool is_inside_cluster(const struct run *run, const char *path)
{
    bool inside = run->cluster.data_path != NULL && path_is_inside(path, run->cluster.data_path);
    for (size_t i = 0; i < run->cluster.folder_count; i++) {
        inside = inside || path_is_inside(path, run->cluster.folders[i].target);
    }
    return inside;
}

/* True if the path goes along with the program tree, the cluster or another path of the configuration. */
static bool is_staged_already(const struct staging *staging, const char *path)
{
    const struct run *run = staging->run;
    bool inside = path_is_inside(path, run->target.installation.program_root) || is_inside_cluster(run, path);
    for (size_t i = 0; i < staging->configs.count; i++) {
        inside = inside || strcmp(path, staging->configs.items[i]) == 0;
    }
    const struct strings *paths = &run->target.profile->configuration;
    for (size_t i = 0; i < paths->count; i++) {
        inside = inside || (strcmp(path, paths->items[i]) != 0 && path_is_inside(path, paths->items[i]));
    }
    return inside;
}

static int stage_path(struct staging *staging, const char *path, struct error *error)
{
    const struct deed_place *place = &staging->site->place;
    struct tree_copy_options options = {0};
    int64_t seq;
    int result = -1;
    char *copy = run_staged_path(staging->run, path, error);
    if (copy != NULL && deed_folder_of(place, copy, error) == 0 && deed_create_begin(place, copy, &seq, error) == 0 &&
        tree_copy(place->root_fd, path, place->root_fd, copy, &options, NULL, NULL, error) == 0 &&
        deed_create_end(place, seq, error) == 0 && strings_add(&staging->configs, path, error) == 0) {
        result = strings_add(&staging->config_copies, copy, error);
    }
    free(copy);
    return result;
}

/* A migration may rewrite the configuration: it gets copies, and those it changed are switched with the rest. What a link
 * leads to is meant, wherever it lies: a copy of the link would let the migration write to the original. */
static int stage_configuration(struct staging *staging, struct error *error)
{
    int root_fd = staging->site->place.root_fd;
    const struct strings *paths = &staging->run->target.profile->configuration;
    for (size_t i = 0; i < paths->count; i++) {
        int fd = root_try_open(root_fd, paths->items[i], O_PATH, 0);
        if (fd < 0) {
            continue; /* not there, or a link that leads nowhere */
        }
        file_drop(&fd);
        char *real = root_real_path(root_fd, paths->items[i], error);
        int result = real == NULL ? -1 : is_staged_already(staging, real) ? 0 : stage_path(staging, real, error);
        free(real);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static int bind_all(const struct staging *staging, struct room_binds *binds, struct error *error)
{
    const char *root = staging->site->root_path;
    if (room_bind(binds, root, staging->program, staging->run->target.installation.program_root, true, error) != 0 ||
        (staging->in_place && room_bind_cluster(staging->run, staging->site, binds, error) != 0)) {
        return -1;
    }
    for (size_t i = 0; i < staging->clone.pair_count; i++) {
        if (room_bind(binds, root, staging->clone.pairs[i].copy, staging->clone.pairs[i].original, true, error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < staging->configs.count; i++) {
        if (room_bind(binds, root, staging->config_copies.items[i], staging->configs.items[i], true, error) != 0) {
            return -1;
        }
    }
    /* Attachments inside the program tree are to be seen at their place, not touched. */
    const struct strings *attachments = &staging->run->target.profile->attachments;
    for (size_t i = 0; i < attachments->count; i++) {
        const char *path = attachments->items[i];
        if (path_is_inside(path, staging->run->target.installation.program_root) &&
            root_exists(staging->site->place.root_fd, path) && room_bind(binds, root, path, path, false, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- migrations ---------------------------------------------------------------------------------------------------- */

/* New objects must belong to whom the old ones belong to: the owner of the database. */
static int database_owner(const struct query_target *target, struct buffer *owner, struct error *error)
{
    struct query_session *session = NULL;
    int result = query_open(target, 0, &session, error);
    if (result == 0) {
        result =
            query_value(session, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()",
                        NULL, owner, error);
    }
    query_close(session);
    return result;
}

static int run_sql(struct room *room, const struct staging *staging, const struct package *package,
                   const struct package_migration *migration, struct buffer *output, struct error *error)
{
    struct query_target target = room_database(room, staging->run);
    struct buffer text = {0};
    struct buffer owner = {0};
    int result = -1;
    if (target.host == NULL) {
        error_set(error, CSN_PACKAGE_CONTENT, "the migration %s is SQL, but the application has no database",
                  migration->name);
    } else if (package_member_read(package, migration->file, SQL_LIMIT, &text, error) == 0 &&
               database_owner(&target, &owner, error) == 0) {
        struct migration_sql sql = {
            .name = migration->name,
            .text = buffer_text(&text),
            .size_bytes = text.size,
            .no_transaction = !migration->transaction,
            .role = buffer_text(&owner),
            .timeout_sec = migration->timeout_sec,
        };
        result = migrate_sql(&target, &sql, output, error);
    }
    buffer_free(&text);
    buffer_free(&owner);
    return result;
}

static int run_program(struct room *room, const struct staging *staging, const struct package *package,
                       const struct package_migration *migration, struct buffer *output, struct error *error)
{
    const struct profile *profile = staging->run->target.profile;
    char path[256] = "";
    if (migration->file != NULL) {
        snprintf(path, sizeof path, "%s/%s", MIGRATION_FOLDER, migration->name);
        int root_fd = view_root_fd(room->view);
        int folder_fd = root_make_dirs(root_fd, MIGRATION_FOLDER, 0755, error) != 0
                            ? -1
                            : root_open(root_fd, MIGRATION_FOLDER, O_RDONLY | O_DIRECTORY, 0, error);
        int placed = folder_fd < 0
                         ? -1
                         : package_member_extract(package, migration->file, folder_fd, migration->name, 0755, error);
        file_drop(&folder_fd);
        if (placed != 0) {
            return -1;
        }
    }
    const char *const argv[] = {"/bin/sh", "-c", migration->file == NULL ? migration->command : path, NULL};
    struct view_command command = {
        .argv = argv,
        .user = migration->user != NULL    ? migration->user
                : profile->start_count > 0 ? profile->starts[0].user
                                           : NULL,
        .environment = (const char *const *)migration->environment.items,
        .folder = staging->run->target.installation.program_root,
        .timeout_sec = migration->timeout_sec,
    };
    return migrate_program(room->view, migration->name, &command, output, error);
}

static int record_migration(const struct staging *staging, const struct package *package,
                            const struct package_migration *migration, const char *result_text, int64_t milliseconds,
                            const struct buffer *output, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", staging->site->place.step);
    yyjson_mut_obj_add_str(document, fields, "package", package->version);
    yyjson_mut_obj_add_str(document, fields, "name", migration->name);
    yyjson_mut_obj_add_str(document, fields, "title", migration->title);
    yyjson_mut_obj_add_str(document, fields, "result", result_text);
    yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
    size_t kept = output->size > OUTPUT_KEPT ? OUTPUT_KEPT : output->size;
    json_add_bytes(document, fields, "output", buffer_text(output) + output->size - kept, kept);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(staging->site->place.journal, "migration", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int run_migration(struct room *room, const struct staging *staging, const struct package *package,
                         const struct package_migration *migration, struct error *error)
{
    struct buffer output = {0};
    struct error recording;
    console_say(staging->run->console, "  migration %s: %s", migration->name, migration->title);
    int64_t begun_ms = clock_monotonic_ms();
    int result = migration->kind == PACKAGE_MIGRATION_SQL
                     ? run_sql(room, staging, package, migration, &output, error)
                     : run_program(room, staging, package, migration, &output, error);
    if (record_migration(staging, package, migration, result == 0 ? "done" : "failed", clock_monotonic_ms() - begun_ms,
                         &output, &recording) != 0) {
        if (result == 0 && error != NULL) {
            *error = recording;
        }
        result = -1;
    }
    buffer_free(&output);
    return result;
}

/* A program that ends with 0 has not said what it did: the database does. */
static int check_schema(struct room *room, const struct run *run, const struct package *package, struct error *error)
{
    struct query_target target = room_database(room, run);
    struct query_limits limits = {.timeout_sec = 600};
    struct query_session *session = NULL;
    struct buffer value = {0};
    if (package->schema.query == NULL || target.host == NULL) {
        return 0;
    }
    int result = query_open(&target, 0, &session, error) != 0
                     ? -1
                     : query_value(session, package->schema.query, &limits, &value, error);
    query_close(session);
    if (result == 0 && strcmp(buffer_text(&value), package->schema.after) != 0) {
        result = error_set(
            error, CSN_DATABASE_MIGRATION,
            "all migrations to %s ended well, but the database says that its schema is \"%.200s\", not \"%s\"",
            package->version, buffer_text(&value), package->schema.after);
    }
    buffer_free(&value);
    return result;
}

static int migrate_hop(struct staging *staging, size_t hop, struct error *error)
{
    const struct package *package = staging->run->hops[hop];
    struct room_binds binds = {0};
    struct room room = {0};
    struct error closing;
    int result = bind_all(staging, &binds, error);
    if (result == 0) {
        result = room_open(staging->run, staging->site, &binds, DATABASE_APPLICATION, &room, error);
    }
    for (size_t i = 0; result == 0 && i < package->migrations_count; i++) {
        result = run_migration(&room, staging, package, &package->migrations[i], error);
    }
    if (result == 0) {
        result = check_schema(&room, staging->run, package, error);
    }
    if (result == 0) {
        result = checks_run(&room, staging->run, staging->site, package, PACKAGE_CHECK_STAGE, error);
    }
    if (result == 0) {
        result = room_record_writes(&room, staging->site, error);
    }
    if (room_close(&room, result == 0 ? error : &closing) != 0) {
        result = -1;
    }
    room_binds_free(&binds);
    return result;
}

/* --- the plan ------------------------------------------------------------------------------------------------------ */

/* Attachments inside the program tree are not copied: at the switch they go from the old tree to their place in the new one that
 * stands beside, where a folder that the release brings for them gives way. */
static int plan_attachment(const struct staging *staging, const char *path, struct plan *plan, struct error *error)
{
    int root_fd = staging->site->place.root_fd;
    struct buffer beside = {0};
    buffer_format(&beside, "%s%s", staging->program, path + strlen(staging->run->target.installation.program_root));
    int result = buffer_check(&beside, error);
    if (result == 0) {
        char *slash = strrchr(beside.data, '/');
        *slash = '\0';
        result = root_make_dirs(root_fd, beside.data, 0755, error);
        *slash = '/';
    }
    if (result == 0 && tree_remove(root_fd, beside.data, NULL, error) == 0) {
        result = plan_add(plan, PLAN_MOVE, path, beside.data, error);
    } else {
        result = -1;
    }
    buffer_free(&beside);
    return result;
}

static int plan_attachments(const struct staging *staging, struct plan *plan, struct error *error)
{
    const struct strings *paths = &staging->run->target.profile->attachments;
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        bool goes_along = false; /* with another one that holds it */
        for (size_t k = 0; k < paths->count; k++) {
            goes_along |= strcmp(path, paths->items[k]) != 0 && path_is_inside(path, paths->items[k]);
        }
        if (!goes_along && path_is_inside(path, staging->run->target.installation.program_root) &&
            root_exists(staging->site->place.root_fd, path) && plan_attachment(staging, path, plan, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int plan_configuration(struct staging *staging, struct plan *plan, struct error *error)
{
    int root_fd = staging->site->place.root_fd;
    for (size_t i = 0; i < staging->configs.count; i++) {
        struct tree_compare_counts counts;
        struct tree_compare_options options = {0};
        const char *path = staging->configs.items[i];
        const char *copy = staging->config_copies.items[i];
        if (tree_compare(root_fd, path, root_fd, copy, &options, NULL, NULL, NULL, &counts, error) != 0) {
            return -1;
        }
        int result = tree_compare_is_equal(&counts) ? deed_drop(&staging->site->place, copy, NULL, error)
                                                    : plan_add(plan, PLAN_EXCHANGE, path, copy, error);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

/* The attachments go first, while paths inside the program tree still mean the old one: so the journal holds the old tree's
 * folder times, and undoing in reverse finds each thing where its record says. */
static int make_plan(struct staging *staging, struct error *error)
{
    struct plan plan = {0};
    int result = plan_attachments(staging, &plan, error);
    if (result == 0) {
        result =
            plan_add(&plan, PLAN_EXCHANGE, staging->run->target.installation.program_root, staging->program, error);
    }
    for (size_t i = 0; result == 0 && i < staging->clone.pair_count; i++) {
        result = plan_add(&plan, PLAN_EXCHANGE, staging->clone.pairs[i].original, staging->clone.pairs[i].copy, error);
    }
    if (result == 0 && plan_configuration(staging, &plan, error) == 0 &&
        durable_sync_site(staging->run, staging->site, error) == 0) {
        result = plan_record(&plan, staging->site->place.journal, error);
    } else {
        result = -1;
    }
    plan_free(&plan);
    return result;
}

int step_stage(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct staging staging = {.run = run, .site = site, .in_place = run->assessment.in_place};
    int result = site == &run->site ? configuration_list(run, error) : 0; /* a rehearsal's server goes away */
    if (result == 0 && run->snapshot[0] == '\0') {
        result = attachments_list(run, error);
    }
    if (result == 0) {
        result = stage_cluster(&staging, error);
    }
    if (result == 0) {
        result = stage_configuration(&staging, error);
    }
    for (size_t hop = 0; result == 0 && hop < run->hop_count; hop++) {
        if (stage_program(&staging, hop, error) != 0 ||
            (hop == 0 && staging.in_place && in_place_begin(run, site, error) != 0) ||
            migrate_hop(&staging, hop, error) != 0) {
            result = -1;
        } else if (hop + 1 < run->hop_count) {
            result = deed_drop(&site->place, staging.program, &run->console->progress, error);
        }
    }
    if (result == 0) {
        result = make_plan(&staging, error) != 0 ? -1 : in_place_end(site, error);
        buffer_format(detail, "%s stands beside, migrated%s", run->hops[run->hop_count - 1]->version,
                      staging.in_place ? "; the database where it lies" : "");
    }
    free(staging.program);
    clone_plan_free(&staging.clone);
    strings_free(&staging.configs);
    strings_free(&staging.config_copies);
    return result;
}
