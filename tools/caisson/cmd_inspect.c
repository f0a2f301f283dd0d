/*
 * cmd_inspect.c - shows an offline package: what it is, who signed it, what it would do, and whether every byte holds.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "caisson/commands.h"
#include "console/console.h"
#include "lib/json.h"
#include "lib/options.h"
#include "package/package.h"

static const char *const migration_kinds[] = {"sql", "program"};
static const char *const check_kinds[] = {"http", "sql", "command"};
static const char *const check_times[] = {"assess", "stage", "verify"};

static const char *first_of(const char *one, const char *other, const char *third)
{
    return one != NULL ? one : other != NULL ? other : third != NULL ? third : "";
}

static void print_list(const char *label, const struct strings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        printf("%s%s%s", i == 0 ? label : ", ", list->items[i], i + 1 == list->count ? "\n" : "");
    }
}

static void print_requirements(const struct package_requirements *requirements)
{
    if (requirements->memory_mb > 0) {
        printf("  needs memory:   %" PRIu64 " MB\n", requirements->memory_mb);
    }
    if (requirements->disk_mb > 0) {
        printf("  needs disk:     %" PRIu64 " MB over what is reckoned\n", requirements->disk_mb);
    }
    if (requirements->postgresql > 0) {
        printf("  needs:          PostgreSQL %u or later\n", requirements->postgresql);
    }
    print_list("  needs programs: ", &requirements->commands);
    print_list("  needs system:   ", &requirements->os);
}

static void print_signer(const struct package_signer *signer)
{
    printf("  signed by:      %s\n  certified by:   %s\n  certificate:    %s\n  dates:          %s to %s%s\n",
           signer->subject, signer->issuer, signer->fingerprint, signer->not_before, signer->not_after,
           signer->dates_hold
               ? ""
               : " (this, or one above it, does not hold by this machine's clock; not a reason to refuse)");
}

static void print_contents(const struct package *package)
{
    for (size_t i = 0; i < package->migrations_count; i++) {
        const struct package_migration *migration = &package->migrations[i];
        printf("  migration:      %s (%s, at most %d min) %s: %s\n", migration->name, migration_kinds[migration->kind],
               migration->timeout_sec / 60, migration->title, first_of(migration->command, migration->file, NULL));
    }
    for (size_t i = 0; i < package->checks_count; i++) {
        const struct package_check *check = &package->checks[i];
        printf("  check:          %s (%s, in %s) %s: %s\n", check->name, check_kinds[check->kind],
               check_times[check->when], check->title,
               first_of(check->path, check->query, first_of(check->command, check->file, NULL)));
    }
    for (size_t i = 0; i < package->roles_count; i++) {
        printf("  role:           %s -> %s\n", package->roles[i].from, package->roles[i].to);
    }
    for (size_t i = 0; i < package->interfaces_count; i++) {
        const struct package_interface *interface = &package->interfaces[i];
        printf("  removed:        %s%s%s\n", interface->removed,
               interface->instead == NULL ? "" : "; instead: ", first_of(interface->instead, NULL, NULL));
    }
    for (size_t i = 0; i < package->members_count; i++) {
        printf("  member:         %s, %" PRIu64 " bytes\n", package->members[i].name, package->members[i].size_bytes);
    }
}

static void print_text(const struct package *package)
{
    char identity[SHA256_HEX_SIZE];
    hex_encode(package->index_sha256, SHA256_SIZE, identity);
    printf("%s %s: %s\n  application:    %s\n", package->name, package->version, package->title, package->application);
    print_list("  upgrades from:  ", &package->from);
    printf("  upgrades to:    %s\n  identity:       %s\n", package->version, identity);
    print_signer(&package->signer);
    print_requirements(&package->requirements);
    print_contents(package);
    printf("  new tree:       %" PRIu64 " names, %" PRIu64 " bytes\n", package->tree_items, package->tree_bytes);
    printf("  holds:          yes, all %" PRIu64 " bytes are as signed\n", package->size_bytes);
}

static void add_text(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *value)
{
    if (value != NULL) {
        yyjson_mut_obj_add_strcpy(document, object, key, value);
    }
}

static void add_list(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const struct strings *list)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, object, key);
    for (size_t i = 0; i < list->count; i++) {
        yyjson_mut_arr_add_strcpy(document, array, list->items[i]);
    }
}

static void add_migrations(yyjson_mut_doc *document, yyjson_mut_val *root, const struct package *package)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, root, "migrations");
    for (size_t i = 0; i < package->migrations_count; i++) {
        const struct package_migration *migration = &package->migrations[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, array);
        add_text(document, object, "name", migration->name);
        add_text(document, object, "title", migration->title);
        add_text(document, object, "kind", migration_kinds[migration->kind]);
        add_text(document, object, "file", migration->file);
        add_text(document, object, "command", migration->command);
        add_text(document, object, "user", migration->user);
        yyjson_mut_obj_add_bool(document, object, "transaction", migration->transaction);
        add_text(document, object, "only_if", migration->only_if);
        yyjson_mut_obj_add_int(document, object, "timeout_sec", migration->timeout_sec);
        add_list(document, object, "environment", &migration->environment);
    }
}

static void add_checks(yyjson_mut_doc *document, yyjson_mut_val *root, const struct package *package)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, root, "checks");
    for (size_t i = 0; i < package->checks_count; i++) {
        const struct package_check *check = &package->checks[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, array);
        add_text(document, object, "name", check->name);
        add_text(document, object, "title", check->title);
        add_text(document, object, "kind", check_kinds[check->kind]);
        add_text(document, object, "when", check_times[check->when]);
        add_text(document, object, "path", check->path);
        add_text(document, object, "query", check->query);
        add_text(document, object, "file", check->file);
        add_text(document, object, "command", check->command);
        add_text(document, object, "equals", check->equals);
        add_text(document, object, "match", check->match);
        add_text(document, object, "match_not", check->match_not);
        add_text(document, object, "user", check->user);
        if (check->kind != PACKAGE_CHECK_SQL) {
            yyjson_mut_obj_add_int(document, object, "status", check->status);
        }
        yyjson_mut_obj_add_int(document, object, "timeout_sec", check->timeout_sec);
        if (check->wait_sec > 0) {
            yyjson_mut_obj_add_int(document, object, "wait_sec", check->wait_sec);
            add_text(document, object, "meanwhile", check->meanwhile);
        }
    }
}

static void add_rest(yyjson_mut_doc *document, yyjson_mut_val *root, const struct package *package)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, root, "roles");
    for (size_t i = 0; i < package->roles_count; i++) {
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, array);
        add_text(document, object, "from", package->roles[i].from);
        add_text(document, object, "to", package->roles[i].to);
    }
    array = yyjson_mut_obj_add_arr(document, root, "interfaces");
    for (size_t i = 0; i < package->interfaces_count; i++) {
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, array);
        add_text(document, object, "name", package->interfaces[i].name);
        add_text(document, object, "removed", package->interfaces[i].removed);
        add_text(document, object, "instead", package->interfaces[i].instead);
    }
    array = yyjson_mut_obj_add_arr(document, root, "members");
    for (size_t i = 0; i < package->members_count; i++) {
        char hex[SHA256_HEX_SIZE];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, array);
        hex_encode(package->members[i].sha256, SHA256_SIZE, hex);
        add_text(document, object, "name", package->members[i].name);
        yyjson_mut_obj_add_uint(document, object, "size_bytes", package->members[i].size_bytes);
        add_text(document, object, "sha256", hex);
    }
}

static void add_head(yyjson_mut_doc *document, yyjson_mut_val *root, const struct package *package)
{
    char identity[SHA256_HEX_SIZE];
    hex_encode(package->index_sha256, SHA256_SIZE, identity);
    add_text(document, root, "name", package->name);
    add_text(document, root, "application", package->application);
    add_text(document, root, "title", package->title);
    add_text(document, root, "version", package->version);
    add_list(document, root, "from", &package->from);
    add_text(document, root, "identity", identity);
    yyjson_mut_obj_add_uint(document, root, "size_bytes", package->size_bytes);
    yyjson_mut_obj_add_uint(document, root, "tree_bytes", package->tree_bytes);
    yyjson_mut_obj_add_uint(document, root, "tree_items", package->tree_items);
    add_text(document, root, "owner", package->owner);
    add_text(document, root, "group", package->group);
    yyjson_mut_val *signer = yyjson_mut_obj_add_obj(document, root, "signer");
    add_text(document, signer, "subject", package->signer.subject);
    add_text(document, signer, "issuer", package->signer.issuer);
    add_text(document, signer, "serial", package->signer.serial);
    add_text(document, signer, "fingerprint", package->signer.fingerprint);
    add_text(document, signer, "not_before", package->signer.not_before);
    add_text(document, signer, "not_after", package->signer.not_after);
    yyjson_mut_obj_add_bool(document, signer, "dates_hold", package->signer.dates_hold);
    yyjson_mut_val *requirements = yyjson_mut_obj_add_obj(document, root, "requirements");
    yyjson_mut_obj_add_uint(document, requirements, "memory_mb", package->requirements.memory_mb);
    yyjson_mut_obj_add_uint(document, requirements, "disk_mb", package->requirements.disk_mb);
    yyjson_mut_obj_add_uint(document, requirements, "postgresql", package->requirements.postgresql);
    add_list(document, requirements, "commands", &package->requirements.commands);
    add_list(document, requirements, "os", &package->requirements.os);
}

/* package NULL: it does not hold, for the reason in failure. */
static int print_json(const struct package *package, const struct error *failure, struct error *error)
{
    struct buffer out = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_bool(document, root, "holds", package != NULL);
    if (package != NULL) {
        add_head(document, root, package);
        add_migrations(document, root, package);
        add_checks(document, root, package);
        add_rest(document, root, package);
    } else if (failure != NULL) {
        add_text(document, root, "code", error_entry(failure->code)->code);
        json_add_bytes(document, root, "message", failure->message, strlen(failure->message));
    }
    int result = json_append_line(&out, document, error);
    yyjson_mut_doc_free(document);
    if (result == 0) {
        puts(buffer_text(&out));
    }
    buffer_free(&out);
    return result;
}

static int inspect(const char *path, const char *trust_path, struct package *package, struct error *error)
{
    struct package_trust trust;
    struct console console;
    console_open(&console, stderr);
    int result = package_trust_load(&trust, trust_path, error);
    if (result == 0) {
        result = package_open(package, AT_FDCWD, path, &trust, error);
    }
    if (result == 0) {
        result = package_verify(package, &console.progress, error);
    }
    console_finish_line(&console);
    package_trust_free(&trust);
    return result;
}

int cmd_inspect(int argc, char **argv)
{
    static const struct option_usage usage = {
        "inspect", "PACKAGE",
        "Shows an offline package: what it is, who signed it, what it would do, and whether every byte holds.", 1, 1};
    static const struct option_rule rules[] = {
        {"trust", OPTION_TEXT, false, "PATH", "root certificates, a file or a folder; default " PACKAGE_TRUST_FOLDER},
        {"json", OPTION_FLAG, false, NULL, "as JSON"},
        {0},
    };
    struct options options;
    struct error error;
    struct package package = {.fd = -1};
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed != 0) {
        exit_code = parsed < 0 ? command_fail(&error) : EXIT_DONE;
        goto out;
    }
    bool json = options_flag(&options, "json");
    const char *trust = options_text(&options, "trust");
    struct error printing;
    if (inspect(options.operands.items[0], trust == NULL ? PACKAGE_TRUST_FOLDER : trust, &package, &error) != 0) {
        exit_code = json && print_json(NULL, &error, &printing) != 0 ? command_fail(&printing) : command_fail(&error);
    } else if (json && print_json(&package, NULL, &printing) != 0) {
        exit_code = command_fail(&printing);
    } else if (!json) {
        print_text(&package);
    }
out:
    package_close(&package);
    options_free(&options);
    return exit_code;
}
