/*
 * The tables of keys in the pages are the tables in the source. With --write they are made anew; without, a difference fails.
 * Run from the top of the repository.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "sequence/job.h"
#include "target/profile.h"

#define BEGIN "--write -->\n"
#define END "<!-- end of table -->"

static const char *const kinds[] = {
    [INI_TEXT] = "text", [INI_LIST] = "list", [INI_NUMBER] = "number", [INI_BOOL] = "yes/no", [INI_PATH] = "path"};

static void make_table(const struct ini_rule *rules, struct buffer *table)
{
    const char *section = "";
    buffer_string(table, "\n| section | key | kind | |\n|---|---|---|---|\n");
    for (const struct ini_rule *rule = rules; rule->section != NULL; rule++) {
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

/* 0 if the page has the table, or was given it. */
static int do_page(const char *path, const struct ini_rule *rules, bool write)
{
    struct error error = {0};
    struct buffer page = {0};
    struct buffer table = {0};
    struct buffer wanted = {0};
    int result = 1;
    if (file_read(AT_FDCWD, path, 1 << 20, &page, &error) != 0) {
        error_print(stderr, &error);
        goto out;
    }
    make_table(rules, &table);
    const char *begin = strstr(buffer_text(&page), BEGIN);
    const char *end = strstr(buffer_text(&page), END);
    if (begin == NULL || end == NULL) {
        fprintf(stderr, "%s has lost the marks of its table\n", path);
        goto out;
    }
    begin += strlen(BEGIN);
    buffer_append(&wanted, page.data, (size_t)(begin - page.data));
    buffer_append(&wanted, table.data, table.size);
    buffer_string(&wanted, end);
    if (write) {
        result = file_replace(AT_FDCWD, path, wanted.data, wanted.size, 0644, &error) == 0 ? 0 : 1;
    } else if (wanted.size == page.size && memcmp(wanted.data, page.data, page.size) == 0) {
        result = 0;
    } else {
        fprintf(stderr, "%s differs from its table in the source: run this test with --write\n", path);
    }
out:
    buffer_free(&page);
    buffer_free(&table);
    buffer_free(&wanted);
    return result;
}

int main(int argc, char **argv)
{
    bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
    int result = do_page("tools/target/profile.md", profile_rules(), write);
    return do_page("tools/sequence/job.md", job_rules, write) + result == 0 ? 0 : 1;
}
