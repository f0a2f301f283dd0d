#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "target/profile.h"

const struct profile *profiles_find(const struct profiles *profiles, const char *name)
{
    for (size_t i = 0; i < profiles->count; i++) {
        if (strcmp(profiles->items[i].name, name) == 0) {
            return &profiles->items[i];
        }
    }
    return NULL;
}

int profiles_add(struct profiles *profiles, struct profile *profile, struct error *error)
{
    if (profiles_find(profiles, profile->name) != NULL) {
        profile_free(profile);
        return 0;
    }
    struct profile *grown = reallocarray(profiles->items, profiles->count + 1, sizeof *grown);
    if (grown == NULL) {
        profile_free(profile);
        return error_set(error, CSN_MEMORY, "no memory for profiles");
    }
    profiles->items = grown;
    grown[profiles->count++] = *profile;
    *profile = (struct profile){0};
    return 0;
}

int profiles_add_file(struct profiles *profiles, const char *path, struct error *error)
{
    struct profile profile;
    if (profile_load(&profile, path, error) != 0) {
        return -1;
    }
    return profiles_add(profiles, &profile, error);
}

static int is_profile(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 8 && strcmp(entry->d_name + length - 8, ".profile") == 0;
}

int profiles_add_folder(struct profiles *profiles, const char *folder, struct error *error)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_profile, alphasort);
    if (count < 0) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_system(error, CSN_IO, "reading the folder %s", folder);
    }
    int result = 0;
    struct buffer path = {0};
    for (int i = 0; i < count; i++) {
        buffer_clear(&path);
        buffer_format(&path, "%s/%s", folder, entries[i]->d_name);
        if (result == 0) {
            result = buffer_check(&path, error);
        }
        if (result == 0) {
            result = profiles_add_file(profiles, buffer_text(&path), error);
        }
        free(entries[i]);
    }
    free(entries);
    buffer_free(&path);
    return result;
}

void profiles_free(struct profiles *profiles)
{
    for (size_t i = 0; i < profiles->count; i++) {
        profile_free(&profiles->items[i]);
    }
    free(profiles->items);
    *profiles = (struct profiles){0};
}
