/*
 * page_server.c - whose run, which server, which packages.
 */
#include "report/page.h"

#include <string.h>

#include "report/html.h"

struct fact {
    const char *key; /* of words.h, after "fact." */
    const char *member;
    bool code;
};

static void begin_fact(const struct page *page, const char *name)
{
    buffer_string(page->out, "<div><dt>");
    page_name(page, "fact", name);
    buffer_string(page->out, "</dt><dd>");
}

static void end_fact(const struct page *page)
{
    buffer_string(page->out, "</dd></div>\n");
}

static void add_facts(const struct page *page, yyjson_val *object, const struct fact *facts, size_t count)
{
    char coded[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(coded, sizeof coded, "%s64", facts[i].member);
        if (yyjson_obj_get(object, facts[i].member) == NULL && yyjson_obj_get(object, coded) == NULL) {
            continue;
        }
        begin_fact(page, facts[i].key);
        buffer_string(page->out, facts[i].code ? "<code>" : "");
        html_member(page->out, object, facts[i].member);
        buffer_string(page->out, facts[i].code ? "</code>" : "");
        end_fact(page);
    }
}

static void add_list(const struct page *page, const char *name, yyjson_val *list)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    if (yyjson_arr_size(list) == 0) {
        return;
    }
    begin_fact(page, name);
    yyjson_arr_foreach(list, i, count, item)
    {
        buffer_string(page->out, i == 0 ? "<bdi>" : ", <bdi>");
        html_text(page->out, yyjson_is_str(item) ? yyjson_get_str(item) : "?",
                  yyjson_is_str(item) ? yyjson_get_len(item) : 1);
        buffer_string(page->out, "</bdi>");
    }
    end_fact(page);
}

static void add_time(const struct page *page, const char *name, const char *time)
{
    if (time[0] != '\0') {
        begin_fact(page, name);
        html_value(page->out, html_of_time(time));
        end_fact(page);
    }
}

static void add_subheading(const struct page *page, const char *key, yyjson_val *object)
{
    buffer_string(page->out, "<h3>");
    HTML_WORDS(page->out, key);
    html_record(page->out, journal_get_number(object, "record"));
    buffer_string(page->out, "</h3>\n<dl class=\"facts\">\n");
}

static void add_package(const struct page *page, yyjson_val *package)
{
    static const struct fact facts[] = {
        {"package", "name", false},  {"title", "title", false},   {"version", "version", false},
        {"signer", "signer", false}, {"issuer", "issuer", false}, {"index", "index_sha256", true},
    };
    add_subheading(page, "package", package);
    add_facts(page, package, facts, sizeof facts / sizeof facts[0]);
    add_list(page, "from", yyjson_obj_get(package, "from"));
    if (yyjson_obj_get(package, "size_bytes") != NULL) {
        begin_fact(page, "size");
        html_value(page->out, html_of_bytes(journal_get_number(package, "size_bytes")));
        end_fact(page);
    }
    yyjson_val *dates = yyjson_obj_get(package, "dates_hold");
    if (yyjson_is_bool(dates)) {
        begin_fact(page, "signature");
        HTML_WORDS(page->out, yyjson_is_true(dates) ? "signature.holds" : "signature.dates");
        end_fact(page);
    }
    buffer_string(page->out, "</dl>\n");
}

void page_server(const struct page *page)
{
    static const struct fact server_facts[] = {
        {"host", "host", false},
        {"os", "os", false},
        {"machine", "machine_id", true},
        {"application", "title", false},
        {"version-before", "version", false},
        {"program", "program_root", true},
        {"cluster", "cluster", true},
        {"cluster-version", "cluster_version", false},
        {"volume", "volume", true},
        {"profile", "profile", true},
    };
    static const struct fact run_facts[] = {
        {"run", "run", true},
        {"job", "job_name", false},
        {"approved", "approved_by", false},
        {"job-hash", "job_sha256", true},
        {"tool", "tool", false},
    };
    yyjson_val *server = yyjson_obj_get(page->root, "server");
    yyjson_val *run = yyjson_obj_get(page->root, "run");
    size_t i;
    size_t count;
    yyjson_val *package;
    if (run == NULL) {
        return;
    }
    page_open(page, "server", "server-and-package");
    if (server != NULL) {
        add_subheading(page, "server", server);
        add_facts(page, server, server_facts, sizeof server_facts / sizeof server_facts[0]);
        add_list(page, "disks", yyjson_obj_get(server, "disks"));
        buffer_string(page->out, "</dl>\n");
    }
    yyjson_arr_foreach(yyjson_obj_get(page->root, "packages"), i, count, package)
    {
        add_package(page, package);
    }
    add_subheading(page, "run", run);
    add_facts(page, run, run_facts, sizeof run_facts / sizeof run_facts[0]);
    add_time(page, "begun", journal_get(run, "begun"));
    add_time(page, "last", journal_get(run, "last_record_time"));
    buffer_string(page->out, "</dl>\n");
    page_close(page);
}
