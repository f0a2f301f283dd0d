/*
 * cmd_pack.c - builds and signs an offline package on the vendor's machine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "caisson/commands.h"
#include "console/console.h"
#include "lib/json.h"
#include "lib/options.h"
#include "package/package_build.h"

static int print_result(const char *path, bool json, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_system(error, CSN_IO, "looking at %s", path);
    }
    if (!json) {
        printf("%s: %" PRIu64 " bytes, signed and verified\n", path, (uint64_t)status.st_size);
        return 0;
    }
    struct buffer out = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    json_add_bytes(document, object, "path", path, strlen(path));
    yyjson_mut_obj_add_uint(document, object, "size_bytes", (uint64_t)status.st_size);
    int result = json_append_line(&out, document, error);
    yyjson_mut_doc_free(document);
    if (result == 0) {
        puts(buffer_text(&out));
    }
    buffer_free(&out);
    return result;
}

int cmd_pack(int argc, char **argv)
{
    static const struct option_usage usage = {"pack", "INPUT",
                                              "Builds and signs an offline package from the folder INPUT "
                                              "(tools/package/README.md says what belongs in it) with `openssl`, "
                                              "and verifies the result as a server would.",
                                              1, 1};
    static const struct option_rule rules[] = {
        {"new", OPTION_TEXT, true, "DIR", "the new tree, as it shall lie on the server"},
        {"old", OPTION_LIST, true, "VERSION=PATH",
         "the vendor's tree of an old version, a folder or its mtree; once for each"},
        {"flyway", OPTION_TEXT, false, "DIR",
         "the folder of Flyway's SQL scripts; INPUT's package.ini has [flyway] then"},
        {"key", OPTION_TEXT, true, "KEY.pem", "the signer's private key; only openssl reads it"},
        {"passphrase-file", OPTION_TEXT, false, "FILE", "its first line unlocks the key"},
        {"certificate", OPTION_TEXT, true, "CERT.pem", "the signer's certificate, for code signing"},
        {"chain", OPTION_TEXT, false, "CHAIN.pem", "certificates between the signer's and the root"},
        {"trust", OPTION_TEXT, true, "ROOT.pem", "the root certificates that the image will have (file or folder)"},
        {"output", OPTION_TEXT, true, "FILE", "the package to make; a folder: NAME-VERSION.cpkg in it"},
        {"json", OPTION_FLAG, false, NULL, "the result as JSON"},
        {0},
    };
    struct options options;
    struct error error;
    char *path = NULL;
    struct strings notes = {0};
    struct console console;
    console_open(&console, stderr);
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed != 0) {
        exit_code = parsed < 0 ? command_fail(&error) : EXIT_DONE;
        goto out;
    }
    const struct package_build build = {
        .input = options.operands.items[0],
        .new_tree = options_text(&options, "new"),
        .flyway = options_text(&options, "flyway"),
        .notes = &notes,
        .old = options_list(&options, "old"),
        .key = options_text(&options, "key"),
        .passphrase_file = options_text(&options, "passphrase-file"),
        .certificate = options_text(&options, "certificate"),
        .chain = options_text(&options, "chain"),
        .trust = options_text(&options, "trust"),
        .output = options_text(&options, "output"),
        .progress = &console.progress,
    };
    int result = package_build(&build, &path, &error);
    console_finish_line(&console);
    for (size_t i = 0; i < notes.count; i++) {
        fprintf(stderr, "note: %s\n", notes.items[i]);
    }
    if (result != 0 || print_result(path, options_flag(&options, "json"), &error) != 0) {
        exit_code = command_fail(&error);
    }
out:
    strings_free(&notes);
    free(path);
    options_free(&options);
    return exit_code;
}
