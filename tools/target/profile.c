#include "target/profile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/file.h"

#define PROFILE_LIMIT_BYTES ((size_t)1024 * 1024)

int profile_load(struct profile *profile, const char *path, struct error *error)
{
    *profile = (struct profile){0};
    struct buffer text = {0};
    int result = file_read(AT_FDCWD, path, PROFILE_LIMIT_BYTES, &text, error);
    if (result == 0) {
        result = profile_parse(profile, path, buffer_text(&text), text.size, error);
    }
    buffer_free(&text);
    return result;
}

static void free_start(struct profile_start *start)
{
    free(start->name);
    strings_free(&start->command);
    free(start->user);
    free(start->folder);
    strings_free(&start->environment);
    free(start->ready_url);
}

void profile_free(struct profile *profile)
{
    char *const texts[] = {
        profile->name,
        profile->title,
        profile->source,
        profile->text,
        profile->version_file,
        profile->version_pattern,
        profile->database.engine,
        profile->database.cluster,
        profile->database.config,
        profile->database.hba,
        profile->database.binaries,
        profile->database.name,
        profile->database.user,
        profile->database.schema,
        profile->query_roles,
        profile->query_user_roles,
        profile->query_attachments,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    struct strings *const lists[] = {&profile->roots,         &profile->configuration, &profile->attachments,
                                     &profile->keep,          &profile->generated,     &profile->units,
                                     &profile->database_units};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        strings_free(lists[i]);
    }
    for (size_t i = 0; i < profile->start_count; i++) {
        free_start(&profile->starts[i]);
    }
    for (size_t i = 0; i < profile->health_count; i++) {
        free(profile->healths[i].name);
        free(profile->healths[i].url);
        free(profile->healths[i].match);
    }
    for (size_t i = 0; i < profile->metric_count; i++) {
        free(profile->metrics[i].name);
        free(profile->metrics[i].sql);
    }
    for (size_t i = 0; i < profile->orphan_count; i++) {
        free(profile->orphans[i].name);
        free(profile->orphans[i].title);
        free(profile->orphans[i].sql);
    }
    free(profile->orphans);
    free(profile->starts);
    free(profile->healths);
    free(profile->metrics);
    *profile = (struct profile){0};
}
