/*
 * step_report.c - the evidence, from the journal alone, on the stick and on the server.
 */
#include "sequence/steps.h"

#include "lib/file.h"
#include "report/report.h"

static int report_on_server(const struct run *run, const struct site *site, struct error *error)
{
    int folder_fd = evidence_open_server(site->place.root_fd, run->evidence.run, true, error);
    int result = folder_fd < 0 ? -1 : report_write(&run->journal, folder_fd, error);
    file_drop(&folder_fd);
    return result == 0 ? 0 : error_wrap(error, "the report on the server");
}

/* One that fails does not keep the other from being written: detail says where it is. */
int step_report(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct error server = {0};
    int on_stick = report_write(&run->journal, run->evidence.dir_fd, error);
    int on_server = run->server_writable ? report_on_server(run, site, &server) : 0;
    if (on_stick == 0) {
        buffer_format(detail, "%s/" REPORT_HTML, run->evidence.path);
    } else if (run->server_writable && on_server == 0) {
        buffer_format(detail, EVIDENCE_SERVER "/%s/" REPORT_HTML " on the server", run->evidence.run);
    }
    if (on_stick == 0 && on_server != 0 && error != NULL) {
        *error = server;
    }
    return on_stick != 0 ? error_wrap(error, "the report on the stick") : on_server;
}
