/*
 * loops.h - disks for the tests of a run: images on loop devices, which a made-up sysfs names, so that no other disk of this
 * machine is ever protected. They lie in place.h's folder. Everything fails the test at hand by itself.
 */
#ifndef CAISSON_TEST_SEQUENCE_LOOPS_H
#define CAISSON_TEST_SEQUENCE_LOOPS_H

#include <stdbool.h>

#include "target/protect.h"

/* False where this process may not have loop devices. */
bool loops_possible(void);

/* Attaches the image of this name; its device, valid until loops_detach. */
const char *loops_attach(const char *image);

/* Protects all that is attached, and nothing else. */
void loops_protect(struct protect *protect);

bool loops_is_protected(const char *device);

/* Gives them back; call protect_free before. */
void loops_detach(void);

#endif
