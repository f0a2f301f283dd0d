/*
 * The table of profile.md is the table of profile_rules.c. With --write it is made anew; without, a difference fails.
 * Run from the top of the repository.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "target/profile.h"

#define PAGE "tools/target/profile.md"
#define BEGIN "--write -->\n"
#define END "<!-- end of table -->"

static const char *const kinds[] = {
    [INI_TEXT] = "text", [INI_LIST] = "list", [INI_NUMBER] = "number", [INI_BOOL] = "yes/no", [INI_PATH] = "path"};

static void make_table(struct buffer *table)
{
    const char *section = "";
    buffer_string(table, "\n| section | key | kind | |\n|---|---|---|---|\n");
    for (const struct ini_rule *rule = profile_rules(); rule->section != NULL; rule++) {
        const char *star = strchr(rule->section, '*');
        buffer_string(table, "| ");
        if (strcmp(section, rule->section) != 0) {
            buffer_format(table, "`[%.*s%s]`",
                          (int)(star == NULL ? strlen(rule->section) : (size_t)(star - rule->section)), rule->section,
                          star == NULL ? "" : "NAME");
        }
        section = rule->section;
        buffer_format(table, " | `%s`%s | %s | %s |\n", strcmp(rule->key, "*") == 0 ? "NAME" : rule->key,
                      rule->required ? " (must be there)" : "", kinds[rule->kind], rule->help);
    }
    buffer_string(table, "\n");
}

int main(int argc, char **argv)
{
    struct error error = {0};
    struct buffer page = {0};
    struct buffer table = {0};
    struct buffer wanted = {0};
    int exit_code = 1;
    if (file_read(AT_FDCWD, PAGE, 1 << 20, &page, &error) != 0) {
        error_print(stderr, &error);
        goto out;
    }
    make_table(&table);
    const char *begin = strstr(buffer_text(&page), BEGIN);
    const char *end = strstr(buffer_text(&page), END);
    if (begin == NULL || end == NULL) {
        fprintf(stderr, "%s has lost the marks of its table\n", PAGE);
        goto out;
    }
    begin += strlen(BEGIN);
    buffer_append(&wanted, page.data, (size_t)(begin - page.data));
    buffer_append(&wanted, table.data, table.size);
    buffer_string(&wanted, end);
    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        exit_code = file_replace(AT_FDCWD, PAGE, wanted.data, wanted.size, 0644, &error) == 0 ? 0 : 1;
    } else if (wanted.size == page.size && memcmp(wanted.data, page.data, page.size) == 0) {
        exit_code = 0;
    } else {
        fprintf(stderr, "%s differs from profile_rules.c: run this test with --write\n", PAGE);
    }
out:
    buffer_free(&page);
    buffer_free(&table);
    buffer_free(&wanted);
    return exit_code;
}
