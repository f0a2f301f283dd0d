#include "report/report.h"
int report_html(const struct journal *journal, const struct buffer *json, struct buffer *text, struct error *error)
{
    (void)json;
    buffer_format(text, "<!DOCTYPE html>\n<title>Caisson</title><p>%zu records, head %s</p>\n", journal->count,
                  journal->head);
    return buffer_check(text, error);
}
