/*
 * cluster_config.c - which of Debian's configurations belongs to a cluster.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buffer.h"
#include "lib/root.h"
#include "target/installation.h"

#define CONFIG_BYTES ((size_t)1 << 20)

/* The folder that a postgresql.conf sets as data_directory; the last such line counts, as in PostgreSQL. Which one is there
 * is asked of the server: the name may lead over a link. */
static bool config_names(int root_fd, const char *text, const char *data_path)
{
    static const char key[] = "data_directory";
    char *named = NULL;
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *at = line + strspn(line, " \t");
        if (strncasecmp(at, key, sizeof key - 1) == 0 && strchr(" \t='", at[sizeof key - 1]) != NULL) {
            at += sizeof key - 1;
            at += strspn(at, " \t='");
            size_t length = strcspn(at, "'#\r\n");
            while (length > 1 && strchr("/ \t", at[length - 1]) != NULL) {
                length--;
            }
            free(named);
            named = strndup(at, length);
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    struct error none;
    char *real = named == NULL || named[0] != '/' ? NULL : root_real_path(root_fd, named, &none);
    bool fits = real != NULL && strcmp(real, data_path) == 0;
    free(real);
    free(named);
    return fits;
}

int installation_debian_config(int root_fd, const char *data_path, const char *version, char **config,
                               struct error *error)
{
    char pattern[256];
    struct strings paths = {0};
    *config = NULL;
    snprintf(pattern, sizeof pattern, "/etc/postgresql/%s/*/postgresql.conf", version);
    int result = pattern_expand(root_fd, pattern, &paths, error);
    for (size_t i = 0; result == 0 && *config == NULL && i < paths.count; i++) {
        struct buffer content = {0};
        if (root_read(root_fd, paths.items[i], CONFIG_BYTES, &content, NULL) == 0 &&
            config_names(root_fd, buffer_text(&content), data_path)) {
            *config = strdup(paths.items[i]);
            result = *config == NULL ? error_set(error, CSN_MEMORY, "no memory for a path") : 0;
        }
        buffer_free(&content);
    }
    strings_free(&paths);
    return result;
}
