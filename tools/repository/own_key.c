#include "repository/own_key.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "age/identities.h"
#include "lib/root.h"

#define LIMIT_BYTES 65536u

int own_key_read(struct age_identity *identity, int root_fd, const char *path, struct error *error)
{
    struct buffer text = {0};
    struct age_identities list = {0};
    struct error reading = {0};
    int result = -1;
    if (root_read(root_fd, path, LIMIT_BYTES, &text, &reading) != 0) {
        result = reading.code == CSN_NOT_FOUND ? 0 : error_set(error, reading.code, "%s", reading.message);
    } else if (age_identities_parse(&list, buffer_text(&text), path, error) == 0) {
        *identity = list.items[0];
        result = 1;
    }
    age_identities_free(&list);
    if (text.data != NULL) {
        explicit_bzero(text.data, text.size);
    }
    buffer_free(&text);
    return result;
}

int own_key_write(const struct age_identity *identity, int root_fd, const char *path, struct error *error)
{
    static const char about[] =
        "# The key of this machine's backups (caisson). Keep it here alone, never beside a backup.\n";
    char text[sizeof about + AGE_IDENTITY_TEXT_SIZE + 1];
    memcpy(text, about, sizeof about);
    age_identity_print(identity, text + sizeof about - 1);
    size_t length = strlen(text);
    text[length++] = '\n';
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL || slash == path ? NULL : strndup(path, (size_t)(slash - path));
    int result = folder == NULL ? 0 : root_make_dirs(root_fd, folder, 0700, error);
    if (result == 0) {
        result = root_replace(root_fd, path, text, length, 0600, error);
    }
    free(folder);
    explicit_bzero(text, sizeof text);
    return result;
}

int own_key_make(struct age_identity *identity, int root_fd, const char *path, struct error *error)
{
    return age_identity_make(identity, error) != 0 ? -1 : own_key_write(identity, root_fd, path, error);
}
