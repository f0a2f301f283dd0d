#include "report/report.h"

#include "lib/file.h"

int report_write(const struct journal *journal, int dir_fd, struct error *error)
{
    struct buffer json = {0};
    struct buffer html = {0};
    int result = -1;
    if (report_json(journal, &json, error) == 0 && report_html(journal, &json, &html, error) == 0 &&
        file_replace(dir_fd, REPORT_JSON, json.data, json.size, 0644, error) == 0) {
        result = file_replace(dir_fd, REPORT_HTML, html.data, html.size, 0644, error);
    }
    buffer_free(&json);
    buffer_free(&html);
    return result;
}
