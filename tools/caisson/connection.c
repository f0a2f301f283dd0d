#include "caisson/connection.h"

#include <stdlib.h>
#include <string.h>

#include "caisson/keys.h"
#include "lib/strings.h"

/* The file's name may be the secret itself: it is not repeated. */
static int read_line(const struct options *options, const char *option, char **line, struct error *error)
{
    const char *path = options_text(options, option);
    int result = path == NULL ? 0 : keys_read_passphrase(path, line, error);
    return result != 0 && error->code == CSN_NOT_FOUND
               ? error_set(error, CSN_NOT_FOUND, "the file that --%s names is not there", option)
               : result;
}

static void wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
    }
    free(text);
}

void connection_free(struct connection *connection)
{
    wipe(connection->password);
    wipe(connection->key_password);
}

int connection_take(struct connection *connection, const struct options *options, struct error *error)
{
    static const char *const modes[] = {"verify-full", "verify-ca", "require", "none", NULL};
    const char *mode = options_text(options, "tls");
    const char *host = options_text(options, "host");
    uint64_t port = options_number(options, "port", 5432);
    *connection = (struct connection){.password = NULL};
    if (host == NULL || options_text(options, "user") == NULL) {
        return error_set(error, CSN_USAGE, "--host HOST and --user ROLE say which server, and as whom");
    }
    if (port == 0 || port > 65535) {
        return error_set(error, CSN_USAGE, "--port takes 1 to 65535");
    }
    if (mode != NULL && !text_is_one_of(mode, modes)) {
        return error_set(error, CSN_USAGE, "--tls takes verify-full, verify-ca, require or none, not \"%s\"", mode);
    }
    bool local = host[0] == '/' || host[0] == '@';
    if (host[0] == '\0' || (local && mode != NULL && strcmp(mode, "none") != 0)) {
        return error_set(error, CSN_USAGE,
                         host[0] == '\0' ? "--host is empty" : "there is no TLS over a socket: --tls none");
    }
    mode = mode != NULL ? mode : local ? "none" : "verify-full";
    bool verifies = strncmp(mode, "verify-", 7) == 0;
    if (verifies && options_text(options, "root-certificate") == NULL) {
        return error_set(
            error, CSN_USAGE,
            "--tls %s needs --root-certificate FILE; --tls require encrypts without asking who the server is", mode);
    }
    if ((options_text(options, "client-certificate") == NULL) != (options_text(options, "client-key") == NULL)) {
        return error_set(error, CSN_USAGE, "--client-certificate and --client-key belong together");
    }
    if (read_line(options, "password-file", &connection->password, error) != 0 ||
        read_line(options, "client-key-password-file", &connection->key_password, error) != 0) {
        return -1;
    }
    connection->tls = (struct query_tls){
        .mode = mode,
        .root_certificate = options_text(options, "root-certificate"),
        .certificate = options_text(options, "client-certificate"),
        .key = options_text(options, "client-key"),
        .key_password = connection->key_password,
        .revocation_list = options_text(options, "revocation-list"),
    };
    connection->target = (struct query_target){
        .host = host,
        .port = (int)port,
        .user = options_text(options, "user"),
        .password = connection->password,
        .database = "postgres",
        .tls = strcmp(mode, "none") == 0 ? NULL : &connection->tls,
    };
    return 0;
}
