#include "sequence/live_dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/text.h"
#include "sequence/live_backup.h"

struct taking {
    const struct query_target *target;
    struct repository_intake *intake;
    const struct progress *progress;
    struct progress_state state;
    struct live_dump_summary *dumped;
};

/* A name that every file system takes: the site may well restore it to a FAT stick. */
static void append_name(struct buffer *path, const char *database)
{
    for (const unsigned char *at = (const unsigned char *)database; *at != '\0'; at++) {
        if (*at < ' ' || *at == 0x7f || strchr("/%\\:*?\"<>|", *at) != NULL) {
            buffer_format(path, "%%%02X", *at);
        } else {
            buffer_append(path, at, 1);
        }
    }
}

static struct tree_entry entry_of(char *path, enum tree_type type)
{
    struct tree_entry entry = {
        .path = path,
        .type = type,
        .known = TREE_ASPECT_TYPE | TREE_ASPECT_MODE | TREE_ASPECT_OWNER | TREE_ASPECT_MTIME,
        .mode = type == TREE_FOLDER ? 0700 : 0600, /* there are hashes of passwords in it */
        .uid = getuid(),
        .gid = getgid(),
        .mtime_sec = clock_unix_sec(),
        .ctime_sec = clock_unix_sec(),
        .nlink = 1,
    };
    if (type == TREE_FILE) {
        entry.size_bytes = REPOSITORY_SIZE_UNKNOWN;
        entry.known |= TREE_ASPECT_CONTENT;
    }
    return entry;
}

static int remember(struct taking *taking, const char *database, const char *remarks, struct error *error)
{
    char line[1024];
    struct buffer text = {0};
    if (remarks[0] == '\0') {
        return 0;
    }
    text_one_line(remarks, strlen(remarks), line, sizeof line);
    buffer_format(&text, "%s: %s", database == NULL ? "globals.sql" : database, line);
    int result = buffer_check(&text, error) != 0 ? -1 : strings_add(&taking->dumped->remarks, text.data, error);
    buffer_free(&text);
    return result;
}

/* database NULL: what is of none. */
static int take(struct taking *taking, const char *database, struct error *error)
{
    struct dump *dump = NULL;
    struct buffer path = {0};
    buffer_string(&path, LIVE_DUMP_NAME + 1);
    buffer_string(&path, "/");
    append_name(&path, database == NULL ? "globals" : database);
    buffer_string(&path, database == NULL ? ".sql" : ".dump");
    taking->state.item = database == NULL ? "roles and settings" : database;
    int result = buffer_check(&path, error) != 0
                     ? -1
                     : dump_open(taking->target, database, taking->dumped->server.has_passwords, &dump, error);
    if (result == 0) {
        struct tree_entry entry = entry_of(path.data, TREE_FILE);
        dump_watch(dump, taking->progress, &taking->state);
        result = repository_intake_add(taking->intake, &entry, dump_read, dump, error) != 0
                     ? -1
                     : remember(taking, database, dump_remarks(dump), error);
        taking->state.done_bytes = dump_bytes(dump);
        taking->state.done_items++;
    }
    dump_close(dump);
    buffer_free(&path);
    return result;
}

/* The roles come last: one that was made meanwhile, and owns something by now, is among them. */
static int take_all(struct taking *taking, struct repository_backup_summary *summary, struct error *error)
{
    const struct strings *databases = &taking->dumped->server.databases;
    struct tree_entry folder = entry_of((char *)(uintptr_t)(LIVE_DUMP_NAME + 1), TREE_FOLDER);
    taking->state = (struct progress_state){.doing = "dumping the live databases", .total_items = databases->count + 1};
    int result = repository_intake_add(taking->intake, &folder, NULL, NULL, error);
    for (size_t i = 0; result == 0 && i < databases->count; i++) {
        result = take(taking, databases->items[i], error);
    }
    return result != 0 || take(taking, NULL, error) != 0 ? -1
                                                         : repository_intake_commit(taking->intake, summary, error);
}

int live_dump(const struct query_target *target, const char *database, struct repository *repository,
              const struct repository_backup_options *options, const struct progress *progress,
              struct live_dump_summary *dumped, struct repository_backup_summary *summary, struct error *error)
{
    struct query_target with = *target;
    struct taking taking = {.target = &with, .progress = progress, .dumped = dumped};
    struct repository_backup_options tagged = *options;
    struct strings names = {0};
    char major[12];
    char program[40];
    *dumped = (struct live_dump_summary){0};
    *summary = (struct repository_backup_summary){0};
    with.database = database == NULL ? target->database : database;
    if (dump_examine(&with, database, &dumped->server, error) != 0) {
        return -1;
    }
    struct repository_tag *tags = calloc(options->tag_count + 4, sizeof *tags);
    if (tags == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a snapshot");
    }
    snprintf(major, sizeof major, "%d", dumped->server.version);
    dump_program_version(program, sizeof program);
    if (options->tag_count > 0) {
        memcpy(tags, options->tags, options->tag_count * sizeof *tags);
    }
    tags[tagged.tag_count++] = (struct repository_tag){LIVE_BACKUP_TAG, LIVE_DUMP_TAG};
    tags[tagged.tag_count++] = (struct repository_tag){"pg_dump", program};
    tags[tagged.tag_count++] = (struct repository_tag){"postgresql", major};
    if (dumped->server.system_identifier[0] != '\0') {
        tags[tagged.tag_count++] = (struct repository_tag){"system-identifier", dumped->server.system_identifier};
    }
    tagged.tags = tags;
    int result = strings_add(&names, LIVE_DUMP_NAME, error) != 0 ||
                         (taking.intake = repository_intake_new(repository, &names, &tagged, error)) == NULL
                     ? -1
                     : take_all(&taking, summary, error);
    repository_intake_free(taking.intake);
    strings_free(&names);
    free(tags);
    return result;
}

void live_dump_summary_free(struct live_dump_summary *dumped)
{
    dump_server_free(&dumped->server);
    strings_free(&dumped->remarks);
}
