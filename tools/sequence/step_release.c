/*
 * step_release.c - the fence is taken away; the old version stays beside until its term ends.
 */
#include "sequence/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "sequence/durable.h"
#include "sequence/in_place.h"

static void term_text(const struct run *run, char *text, size_t size)
{
    time_t end = (time_t)(clock_unix_sec() + (int64_t)run->job.keep_days * 86400);
    struct tm utc;
    gmtime_r(&end, &utc);
    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

int step_release(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    char until[32];
    term_text(run, until, sizeof until);
    const char *version = run->hop_count == 0 ? NULL : run->hops[run->hop_count - 1]->version;
    char *old_program = run_staged_path(run, run->target.installation.program_root, error);
    bool in_place = in_place_intent(&run->journal) != NULL;
    bool beside = run->cluster.data_path != NULL && !in_place;
    char *old_cluster = beside ? run_staged_path(run, run->cluster.data_path, error) : NULL;
    int result = old_program == NULL ? -1 : 0;
    /* The record first: from here on people may work with the new version, and whatever comes, their work is kept. */
    if (result == 0 && !evidence_is_released(&run->journal)) {
        result = journal_note(&run->journal, error, "released", "version", version, "keep_until", until, "old_program",
                              old_program, "old_cluster", old_cluster, NULL);
    }
    if (result == 0) {
        result = durable_sync_site(run, site, error);
    }
    if (result == 0) {
        result = deed_undo_step(&site->place, "fence", error);
    }
    buffer_format(detail, "the application may start; the old version is kept until %s%s", until,
                  in_place ? ", its database in the backup alone" : "");
    free(old_program);
    free(old_cluster);
    return result;
}
