#include "report/report.h"

#include <stdlib.h>

int report_json(const struct journal *journal, struct buffer *text, struct error *error)
{
    buffer_format(text, "{\"format\": 1, \"records\": %zu, \"head\": \"%s\"}\n", journal->count, journal->head);
    return buffer_check(text, error);
}

int report_html(const struct journal *journal, const struct buffer *json, struct buffer *text, struct error *error)
{
    (void)json;
    buffer_format(text, "<!DOCTYPE html>\n<title>Caisson</title><p>%zu records, head %s</p>\n", journal->count,
                  journal->head);
    return buffer_check(text, error);
}
