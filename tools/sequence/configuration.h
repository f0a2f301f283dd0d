/*
 * configuration.h - configuration that people edited after a release: it stands where it stood, no switch exchanges it, and so
 * going back leaves it as they made it. It is named, so that nobody takes it for what it was.
 */
#ifndef CAISSON_SEQUENCE_CONFIGURATION_H
#define CAISSON_SEQUENCE_CONFIGURATION_H

#include "lib/error.h"
#include "sequence/run.h"

/* Lists it as it is before the switch (configuration.mtree in the run's folder on the server). */
int configuration_list(const struct run *run, struct error *error) MUST_CHECK;

/* Once the old version is back: names what is not as it was then. Record "configuration-since". */
int configuration_name_changed(struct run *run, struct error *error) MUST_CHECK;

/* True if that record says that some is, or may be, not as it was. */
bool configuration_is_changed(const struct journal *journal);

#endif
