#include "database/server_config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"
#include "lib/text.h"
#include "target/accounts.h"

#define HBA_FILE SERVER_FOLDER "/pg_hba.conf"
#define HBA_LIMIT ((size_t)4 << 20)

/* For both modes: what would reach out of the room, wait for others, hide the log from us, or lose what was written. */
static const char *const common_settings[] = {
    "logging_collector=off",
    "log_destination=stderr",
    "archive_mode=off",
    "synchronous_standby_names=",
    "restart_after_crash=off",
    "external_pid_file=",
    "huge_pages=off",
    "lc_messages=C",
    "max_logical_replication_workers=0",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
};

/* Nothing happens by itself: no background workers at all, cron jobs of an extension would change data. */
static const char *const private_settings[] = {
    "listen_addresses=", "ssl=off", "autovacuum=off", "max_worker_processes=0", "default_transaction_read_only=off",
};
enum { JIT_FROM = 11 };

static int add_name(struct strings *names, const char *name, struct error *error)
{
    return name == NULL || strings_has(names, name) ? 0 : strings_add(names, name, error);
}

int server_superusers(const struct view *view, const struct database_settings *settings, struct strings *names,
                      struct error *error)
{
    struct account owner;
    if (account_find_uid(view_root_fd(view), settings->cluster->uid, settings->cluster->gid, &owner, error) != 0 ||
        add_name(names, settings->superuser, error) != 0 || add_name(names, "postgres", error) != 0) {
        return -1;
    }
    return add_name(names, owner.name, error);
}

static const char *config_file(const struct database_settings *settings)
{
    return settings->config_file != NULL ? settings->config_file : settings->cluster->config_file;
}

static int add_setting(struct strings *arguments, const char *setting, struct error *error)
{
    return strings_add(arguments, "-c", error) != 0 ? -1 : strings_add(arguments, setting, error);
}

static int add_setting_of(struct strings *arguments, const char *name, const char *value, struct error *error)
{
    struct buffer setting = {0};
    buffer_format(&setting, "%s=%s", name, value);
    int result = buffer_check(&setting, error) != 0 ? -1 : add_setting(arguments, setting.data, error);
    buffer_free(&setting);
    return result;
}

/* The program, its data and its configuration: how every call begins. */
static int begin_arguments(const struct database_settings *settings, struct strings *arguments, struct error *error)
{
    struct buffer program = {0};
    buffer_format(&program, "%s/postgres", settings->cluster->binaries);
    int result = buffer_check(&program, error) != 0 || strings_add(arguments, program.data, error) != 0 ||
                         strings_add(arguments, "-D", error) != 0 ||
                         strings_add(arguments, settings->cluster->data_path, error) != 0 ||
                         add_setting_of(arguments, "data_directory", settings->cluster->data_path, error) != 0
                     ? -1
                     : 0;
    if (result == 0 && config_file(settings) != NULL) {
        result = add_setting_of(arguments, "config_file", config_file(settings), error);
    }
    if (result == 0 && settings->hba_file != NULL) {
        result = add_setting_of(arguments, "hba_file", settings->hba_file, error);
    }
    buffer_free(&program);
    return result;
}

/* What the server's configuration says about one setting: `postgres -C NAME` reads it without starting anything. */
static int ask_setting(struct view *view, const struct database_settings *settings, const char *name,
                       struct buffer *value, struct error *error)
{
    struct strings arguments = {0};
    struct buffer output = {0};
    char user[24];
    int status = -1;
    int result = -1;
    snprintf(user, sizeof user, "%u", (unsigned)settings->cluster->uid);
    if (begin_arguments(settings, &arguments, error) != 0 ||
        add_setting(&arguments, "log_min_messages=fatal", error) != 0 || strings_add(&arguments, "-C", error) != 0 ||
        strings_add(&arguments, name, error) != 0) {
        goto out;
    }
    struct view_command command = {
        .argv = (const char *const *)arguments.items, .user = user, .folder = "/", .timeout_sec = 60};
    if (view_run(view, &command, &output, &status, error) != 0) {
        goto out;
    }
    char *text = output.data == NULL ? NULL : output.data;
    size_t length = text == NULL ? 0 : strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    if (status != 0) {
        char said[700];
        text_one_line(buffer_text(&output), output.size, said, sizeof said);
        error_set(error, CSN_DATABASE_START, "the server's PostgreSQL does not understand its configuration: %s", said);
        goto out;
    }
    char *line = text == NULL ? NULL : strrchr(text, '\n'); /* a warning may come before */
    buffer_string(value, line == NULL ? buffer_text(&output) : line + 1);
    result = buffer_check(value, error);
out:
    buffer_free(&output);
    strings_free(&arguments);
    return result;
}

static int make_folder(const struct view *view, const char *path, mode_t mode, const struct cluster *cluster,
                       struct error *error)
{
    if (root_make_dirs(view_root_fd(view), path, 0755, error) != 0) {
        return -1;
    }
    int fd = root_open(view_root_fd(view), path, O_RDONLY | O_DIRECTORY, 0, error);
    int result = fd < 0 ? -1 : 0;
    if (fd >= 0 && (fchown(fd, cluster->uid, cluster->gid) != 0 || fchmod(fd, mode) != 0)) {
        result = error_system(error, CSN_DATABASE_START, "preparing %s in the room", path);
    }
    file_drop(&fd);
    return result;
}

static int write_hba(const struct view *view, const struct database_settings *settings, const struct buffer *text,
                     struct error *error)
{
    if (root_replace(view_root_fd(view), HBA_FILE, buffer_text(text), text->size, 0600, error) != 0) {
        return -1;
    }
    int fd = root_open(view_root_fd(view), HBA_FILE, O_RDONLY, 0, error);
    int result = fd < 0 ? -1 : 0;
    if (fd >= 0 && fchown(fd, settings->cluster->uid, settings->cluster->gid) != 0) {
        result = error_system(error, CSN_DATABASE_START, "preparing %s in the room", HBA_FILE);
    }
    file_drop(&fd);
    return result;
}

/* The socket folders that the server's configuration names have to be there: /run is fresh. */
static int make_socket_folders(const struct view *view, const char *list, const struct cluster *cluster,
                               struct error *error)
{
    struct strings folders = {0};
    int result = strings_split(&folders, list, ",", error);
    for (size_t i = 0; i < folders.count && result == 0; i++) {
        char *folder = folders.items[i];
        folder += strspn(folder, "\"'");
        folder[strcspn(folder, "\"'")] = '\0';
        if (folder[0] == '/' && !root_exists(view_root_fd(view), folder)) {
            result = make_folder(view, folder, 02775, cluster, error);
        }
    }
    strings_free(&folders);
    return result;
}

/* "@name" and "include name" mean the folder of the file they stand in, which ours is not: they get it in front. */
static void append_hba(struct buffer *hba, const char *text, const char *folder)
{
    static const char between[] = " \t,";
    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        bool includes = false;
        bool quoted = false;
        int field = 0;
        for (const char *at = line; at < end && *at != '#'; at++) {
            bool begins = !quoted && (at == line || strchr(between, at[-1]) != NULL) && strchr(between, *at) == NULL;
            field += begins && (at == line || at[-1] != ',') ? 1 : 0;
            quoted = *at == '"' ? !quoted : quoted;
            if (!begins) {
                continue;
            }
            includes = includes || (field == 1 && strncmp(at, "include", strlen("include")) == 0);
            const char *name = *at == '@' ? at + 1 : at;
            bool refers = (*at == '@' && field > 1) || (includes && field == 2);
            const char *first = *name == '"' ? name + 1 : name;
            if (refers && *first != '/') {
                buffer_append(hba, line, (size_t)(first - line));
                buffer_format(hba, "%s/", folder);
                line = first;
            }
        }
        buffer_append(hba, line, (size_t)(end - line));
        buffer_string(hba, "\n");
        line = *end == '\n' ? end + 1 : end;
    }
}

static int read_hba(const struct view *view, const char *path, struct buffer *hba, struct error *error)
{
    struct buffer text = {0};
    const char *slash = strrchr(path, '/');
    char *folder = strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
    int result = folder == NULL ? error_set(error, CSN_MEMORY, "no memory for a path")
                                : root_read(view_root_fd(view), path, HBA_LIMIT, &text, error);
    if (result == 0) {
        append_hba(hba, buffer_text(&text), folder);
        result = buffer_check(hba, error);
    }
    free(folder);
    buffer_free(&text);
    return result;
}

static int prepare_application(struct view *view, const struct database_settings *settings,
                               const struct strings *superusers, struct strings *arguments, int *port,
                               struct error *error)
{
    struct buffer sockets = {0};
    struct buffer listen = {0};
    struct buffer number = {0};
    struct buffer hba_path = {0};
    struct buffer hba = {0};
    int result = -1;
    if (ask_setting(view, settings, "unix_socket_directories", &sockets, error) != 0 ||
        ask_setting(view, settings, "listen_addresses", &listen, error) != 0 ||
        ask_setting(view, settings, "port", &number, error) != 0 ||
        ask_setting(view, settings, "hba_file", &hba_path, error) != 0) {
        goto out;
    }
    *port = (int)strtol(buffer_text(&number), NULL, 10);
    buffer_string(&hba, "# Caisson's way in; the server's own file follows.\n");
    for (size_t i = 0; i < superusers->count; i++) {
        buffer_string(&hba, "local all ");
        query_append_identifier(&hba, superusers->items[i]);
        buffer_string(&hba, " trust\n");
    }
    if (read_hba(view, buffer_text(&hba_path), &hba, error) != 0 || write_hba(view, settings, &hba, error) != 0 ||
        make_socket_folders(view, buffer_text(&sockets), settings->cluster, error) != 0) {
        goto out;
    }
    buffer_format(&sockets, "%s%s", sockets.size > 0 ? "," : "", SERVER_FOLDER);
    if (buffer_check(&sockets, error) != 0 ||
        add_setting_of(arguments, "unix_socket_directories", sockets.data, error) != 0 ||
        add_setting_of(arguments, "hba_file", HBA_FILE, error) != 0) {
        goto out;
    }
    /* The addresses the server has elsewhere do not exist in the room; all that do are the loopback's. */
    result = listen.size == 0 ? 0 : add_setting_of(arguments, "listen_addresses", "*", error);
out:
    buffer_free(&sockets);
    buffer_free(&listen);
    buffer_free(&number);
    buffer_free(&hba_path);
    buffer_free(&hba);
    return result;
}

/* A cache worth an eighth of the memory, within 32 MB and 1 GB: the server's own may not fit beside our work. */
static int add_cache(struct strings *arguments, struct error *error)
{
    char value[32];
    long long bytes = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 8;
    long long megabytes = bytes >> 20;
    snprintf(value, sizeof value, "%lldMB", megabytes < 32 ? 32 : megabytes > 1024 ? 1024 : megabytes);
    return add_setting_of(arguments, "shared_buffers", value, error);
}

static int prepare_private(struct view *view, const struct database_settings *settings, struct strings *arguments,
                           int *port, struct error *error)
{
    struct buffer hba = {0};
    *port = 5432;
    buffer_string(&hba, "local all all trust\n");
    int result = buffer_check(&hba, error) != 0 ? -1 : write_hba(view, settings, &hba, error);
    for (size_t i = 0; i < sizeof private_settings / sizeof private_settings[0] && result == 0; i++) {
        result = add_setting(arguments, private_settings[i], error);
    }
    if (result == 0 && settings->cluster->version >= JIT_FROM) { /* an older one does not start with it */
        result = add_setting(arguments, "jit=off", error);
    }
    if (result == 0 && (add_setting_of(arguments, "unix_socket_directories", SERVER_FOLDER, error) != 0 ||
                        add_setting_of(arguments, "hba_file", HBA_FILE, error) != 0 ||
                        add_setting_of(arguments, "port", "5432", error) != 0 || add_cache(arguments, error) != 0)) {
        result = -1;
    }
    buffer_free(&hba);
    return result;
}

int server_prepare(struct view *view, const struct database_settings *settings, const struct strings *superusers,
                   struct strings *arguments, int *port, struct error *error)
{
    if (make_folder(view, SERVER_FOLDER, 0700, settings->cluster, error) != 0 ||
        begin_arguments(settings, arguments, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof common_settings / sizeof common_settings[0]; i++) {
        if (add_setting(arguments, common_settings[i], error) != 0) {
            return -1;
        }
    }
    return settings->mode == DATABASE_PRIVATE ? prepare_private(view, settings, arguments, port, error)
                                              : prepare_application(view, settings, superusers, arguments, port, error);
}
