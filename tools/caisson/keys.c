#include "caisson/keys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/screen.h"
#include "repository/own_key.h"

#define PASSPHRASE_LIMIT_BYTES 4096u

int keys_read_passphrase(const char *path, char **passphrase, struct error *error)
{
    struct buffer text = {0};
    int result = file_read(AT_FDCWD, path, PASSPHRASE_LIMIT_BYTES, &text, error);
    if (result == 0) {
        size_t length = strcspn(buffer_text(&text), "\r\n");
        *passphrase = length == 0 ? NULL : strndup(text.data, length);
        result = length == 0 ? error_set(error, CSN_USAGE, "the first line of %s is empty: no passphrase", path)
                 : *passphrase == NULL ? error_set(error, CSN_MEMORY, "no memory for a passphrase")
                                       : 0;
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.size);
    }
    buffer_free(&text);
    if (result != 0 && error->code == CSN_NOT_FOUND) { /* perhaps it is the passphrase itself: it is not repeated */
        error_set(error, CSN_NOT_FOUND, "the file that --passphrase-file names is not there; it takes no passphrase");
    }
    return result;
}

/* Once: who waits for hours has to know why. */
static void say_waiting(void *context, const struct progress_state *state)
{
    bool *said = context;
    if (!*said) {
        screen_line(stderr, "caisson: %s: %s", state->item, state->doing);
        *said = true;
    }
}

int keys_take(struct keys *keys, const struct options *options, struct error *error)
{
    const struct strings *files = options_list(options, "identity");
    const char *passphrase_file = options_text(options, "passphrase-file");
    char *passphrase = NULL;
    int result = passphrase_file == NULL ? 0 : keys_read_passphrase(passphrase_file, &passphrase, error);
    for (size_t i = 0; result == 0 && i < files->count; i++) {
        result = age_identities_read(&keys->identities, AT_FDCWD, files->items[i], passphrase, error);
    }
    keys->waiting = (struct progress){.tell = say_waiting, .context = &keys->said_waiting};
    keys->given.progress = &keys->waiting;
    keys->passphrase = passphrase;
    keys->given.identities = &keys->identities;
    keys->given.passphrase = passphrase;
    return result;
}

/* Root's is the machine's; anybody else has one of their own. */
static int usual_place(struct buffer *path, struct error *error)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (geteuid() == 0) {
        buffer_string(path, OWN_KEY_FILE);
    } else if (state != NULL && state[0] == '/') {
        buffer_format(path, "%s/caisson/backup.key", state);
    } else if (home != NULL && home[0] == '/') {
        buffer_format(path, "%s/.local/state/caisson/backup.key", home);
    } else {
        return error_set(error, CSN_USAGE, "there is no home folder for this user's key: name it with --key");
    }
    return buffer_check(path, error);
}

int keys_take_own(struct keys *keys, const struct options *options, int root_fd, struct error *error)
{
    const char *named = options_text(options, "key");
    bool encrypted = false;
    struct buffer path = {0};
    int host_fd = -1;
    if (named != NULL && age_key_is_secret(named)) {
        return error_set(error, CSN_AGE_KEY, "--key takes the name of a file, not the key itself");
    }
    int result = repository_is_encrypted(options_text(options, "repository"), &encrypted, error);
    if (result != 0 || !encrypted) {
        return result;
    }
    if (named != NULL || geteuid() != 0) { /* not the server's, but where this command runs */
        host_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        root_fd = host_fd;
    }
    char *folder = named == NULL || named[0] == '/' ? NULL : getcwd(NULL, 0);
    if (named != NULL) {
        buffer_format(&path, "%s/%s", folder == NULL ? "" : folder, named);
    }
    free(folder);
    result = named != NULL ? buffer_check(&path, error) : usual_place(&path, error);
    if (result == 0) {
        int there = own_key_read(&keys->own, root_fd, path.data, error);
        result = there < 0 ? -1 : there == 1 ? 0 : own_key_make(&keys->own, root_fd, path.data, error);
    }
    keys->given.own = result == 0 ? &keys->own : NULL;
    file_drop(&host_fd);
    buffer_free(&path);
    return result == 0 ? 0 : error_wrap(error, "this machine's key");
}

/* Nobody named a key: what this machine has written its own key reads. */
static int take_usual(struct keys *keys, const struct options *options, struct error *error)
{
    struct error unused;
    struct buffer path = {0};
    bool encrypted = false;
    if (keys->identities.count > 0 || keys->passphrase != NULL ||
        repository_is_encrypted(options_text(options, "repository"), &encrypted, &unused) != 0 || !encrypted ||
        usual_place(&path, &unused) != 0) {
        buffer_free(&path);
        return 0;
    }
    int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int there = own_key_read(&keys->own, root_fd, path.data, error);
    keys->given.own = there == 1 ? &keys->own : NULL;
    keys->given.own_unasked = there == 1;
    file_drop(&root_fd);
    buffer_free(&path);
    return there >= 0 ? 0 : error_wrap(error, "this machine's key");
}

struct repository *keys_open_repository(const struct options *options, enum repository_mode mode, struct error *error)
{
    struct keys keys = {0};
    struct repository *repository =
        keys_take(&keys, options, error) != 0 || (mode == REPOSITORY_READ && take_usual(&keys, options, error) != 0)
            ? NULL
            : repository_open(options_text(options, "repository"), mode, &keys.given, error);
    keys_free(&keys);
    return repository;
}

struct repository *keys_open_alone(const struct options *options, struct error *error)
{
    return keys_open_repository(options, options_flag(options, "alone") ? REPOSITORY_ALONE_ASSURED : REPOSITORY_ALONE,
                                error);
}

void keys_free(struct keys *keys)
{
    if (keys->passphrase != NULL) {
        explicit_bzero(keys->passphrase, strlen(keys->passphrase));
    }
    free(keys->passphrase);
    age_identities_free(&keys->identities);
    age_identity_wipe(&keys->own);
    *keys = (struct keys){0};
}
