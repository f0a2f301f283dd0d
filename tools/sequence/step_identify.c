/*
 * step_identify.c - packages, server and the path from its version to the goal. Nothing is left on the server.
 */
#include "sequence/steps.h"

#include <fcntl.h>

#include "lib/file.h"
#include "lib/root.h"

/* A run that another stick began and did not end stands in the way: it has to be finished or undone first. */
static int check_unfinished(struct run *run, struct error *error)
{
    struct journal earlier;
    bool found = false;
    journal_init(&earlier);
    int runs_fd = root_try_open(run->target.root_fd, EVIDENCE_SERVER, O_RDONLY | O_DIRECTORY, 0);
    int result = evidence_find(runs_fd, RUN_UNFINISHED, NULL, &earlier, &found, error);
    if (result == 0 && found) {
        result = error_set(error, CSN_JOURNAL_UNFINISHED, "the server holds the journal of run %s, which was not ended",
                           journal_get(journal_record(&earlier, 0), "run"));
    }
    journal_free(&earlier);
    file_drop(&runs_fd);
    return result;
}

int step_identify(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    (void)site;
    bool packages = run->job.package_files.count > 0;
    if ((packages && (run_open_packages(run, error) != 0 || run_record_packages(run, error) != 0)) ||
        run_open_target(run, error) != 0 || run_record_server(run, error) != 0 || check_unfinished(run, error) != 0 ||
        (packages && run_find_path(run, run->target.installation.version, error) != 0)) {
        return -1;
    }
    const struct installation *found = &run->target.installation;
    buffer_format(detail, "%s %s at %s on %s (%s)", found->profile->title, found->version, found->program_root,
                  found->host_name[0] == '\0' ? "a server" : found->host_name, found->os_name);
    for (size_t i = 0; i < run->hop_count; i++) {
        buffer_format(detail, "%s %s", i == 0 ? "; path to" : " ->", run->hops[i]->version);
    }
    return 0;
}
