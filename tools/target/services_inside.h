/*
 * services_inside.h - what services.c and services_scan.c share; nobody else includes it.
 */
#ifndef CAISSON_TARGET_SERVICES_INSIDE_H
#define CAISSON_TARGET_SERVICES_INSIDE_H

#include "lib/error.h"
#include "target/services.h"

/* Where systemd looks for units, the server's own first. */
#define UNIT_FOLDERS 4
extern const char *const unit_folders[UNIT_FOLDERS];

/* Adds a unit, or a sentence, once. */
int fence_unit(struct fence *fence, const char *unit, struct error *error) MUST_CHECK;
int fence_finding(struct fence *fence, struct error *error, const char *format, ...) PRINTF_LIKE(3, 4) MUST_CHECK;

/* Looks through the server's units, cron and whatever else starts programs: adds the timers, sockets and paths that start a fenced unit, and a
 * finding for what uses the application otherwise. */
int fence_scan(struct fence *fence, const struct target *target, struct error *error) MUST_CHECK;

#endif
