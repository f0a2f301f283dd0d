/*
 * step_report.c - the evidence, from the journal alone, on the stick and on the server.
 */
#include "sequence/steps.h"

#include "lib/file.h"
#include "report/report.h"

int step_report(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    if (report_write(&run->journal, run->evidence.dir_fd, error) != 0) {
        return error_wrap(error, "the report on the stick");
    }
    if (run->server_writable) {
        int folder_fd = evidence_open_server(site->place.root_fd, run->evidence.run, true, error);
        int result = folder_fd < 0 ? -1 : report_write(&run->journal, folder_fd, error);
        file_drop(&folder_fd);
        if (result != 0) {
            return error_wrap(error, "the report on the server");
        }
    }
    buffer_format(detail, "%s/report.html", run->evidence.path);
    return 0;
}
