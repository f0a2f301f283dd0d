/*
 * checks.h - the checks a package and a profile bring, run in a room; each becomes a record "check".
 */
#ifndef CAISSON_SEQUENCE_CHECKS_H
#define CAISSON_SEQUENCE_CHECKS_H

#include "package/package.h"
#include "sequence/room.h"
#include "sequence/run.h"

struct outcome {
    bool passed;
    char detail[512]; /* what came, or why it failed */
};

/* One check of a package: asked, shown, recorded. -1 only if it could not be recorded. */
int checks_ask(struct room *room, const struct run *run, const struct site *site, const struct package *package,
               const struct package_check *check, struct outcome *outcome, struct error *error) MUST_CHECK;

/* The package's checks of this time. All are run; then CSN_SEQUENCE_VERIFY names the first that failed. */
int checks_run(struct room *room, const struct run *run, const struct site *site, const struct package *package,
               enum package_check_when when, struct error *error) MUST_CHECK;

/* The profile's health checks; the application runs. */
int checks_health(struct room *room, const struct run *run, const struct site *site, struct error *error) MUST_CHECK;

#endif
