/*
 * cmd_explain.c - the catalogue of codes, one entry or all.
 */
#include <stdio.h>

#include "caisson/commands.h"
#include "lib/json.h"
#include "lib/options.h"

static const char *const exit_meanings[] = {
    [EXIT_DONE] = "done",
    [EXIT_BAD] = "checked and found bad; nothing was changed",
    [EXIT_USAGE] = "the command line or the job is not understood, or names what is not there",
    [EXIT_SYSTEM] = "the machine failed",
    [EXIT_ROLLED_BACK] = "rolled back; the server is as it was",
    [EXIT_NEEDS_PERSON] = "a person has to act",
};

static void explain_text(enum error_code code)
{
    const struct error_entry *entry = error_entry(code);
    printf("%s: %s\n  do: %s\n  exit code: %d (%s)\n", entry->code, entry->title, entry->remedy, entry->exit_code,
           exit_meanings[entry->exit_code]);
}

static int explain_json(enum error_code first, enum error_code last, struct error *error)
{
    struct buffer out = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *list = yyjson_mut_arr(document);
    yyjson_mut_doc_set_root(document, list);
    for (enum error_code code = first; code <= last; code++) {
        const struct error_entry *entry = error_entry(code);
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_str(document, object, "code", entry->code);
        yyjson_mut_obj_add_str(document, object, "title", entry->title);
        yyjson_mut_obj_add_str(document, object, "remedy", entry->remedy);
        yyjson_mut_obj_add_int(document, object, "exit_code", entry->exit_code);
    }
    int result = json_append_line(&out, document, error);
    yyjson_mut_doc_free(document);
    if (result == 0) {
        puts(buffer_text(&out));
    }
    buffer_free(&out);
    return result;
}

int cmd_explain(int argc, char **argv)
{
    static const struct option_usage usage = {"explain", "[CODE]",
                                              "Says what a code means and what to do; without a code, all.", 0, 1};
    static const struct option_rule rules[] = {
        {"json", OPTION_FLAG, false, NULL, "as JSON"},
        {0},
    };
    struct options options;
    struct error error;
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed != 0) {
        exit_code = parsed < 0 ? command_fail(&error) : EXIT_DONE;
        goto out;
    }
    enum error_code first = (enum error_code)1;
    enum error_code last = (enum error_code)(CSN_COUNT - 1);
    if (options.operands.count == 1) {
        first = last = error_find(options.operands.items[0]);
        if (first == CSN_NONE) {
            error_set(&error, CSN_USAGE, "there is no code \"%s\"", options.operands.items[0]);
            exit_code = command_fail(&error);
            goto out;
        }
    }
    if (options_flag(&options, "json")) {
        if (explain_json(first, last, &error) != 0) {
            exit_code = command_fail(&error);
        }
        goto out;
    }
    for (enum error_code code = first; code <= last; code++) {
        explain_text(code);
    }
out:
    options_free(&options);
    return exit_code;
}
