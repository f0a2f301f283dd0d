/*
 * room.h - what the tests of views, overlays and databases share: being root somewhere, a folder of their own, and
 * looking for what is left over.
 */
#ifndef CAISSON_TESTS_ROOM_H
#define CAISSON_TESTS_ROOM_H

#include <stdbool.h>
#include <stddef.h>

#include "target/view.h"

/* Starts the test again in a user namespace if it is not root. */
void room_need_root(char **argv);

/* True if it is root of the machine, not of a user namespace. */
bool room_is_real_root(void);

/* A new folder below /var/tmp; room_remove takes it away with everything in it. */
char *room_folder(void);
void room_remove(char *folder);

/* A folder that looks like a server's root: accounts, a few folders, links into /usr, which is by room_usr ours, or that of the root with
 * another PostgreSQL that CAISSON_TEST_POSTGRES names (tests/majors). */
char *room_server(void);
extern struct view_bind room_usr;

/* The root in which the tests' PostgreSQL lies: that one, or "/". */
const char *room_postgres_root(void);

/* The folder of its programs, as a path inside of that root; valid until the next call. Fails the test where there is none. */
const char *room_postgres_binaries(void);

/* Writes a small file, or fails the test. */
void room_write(const char *folder, const char *name, const char *text);
void room_make(const char *folder, const char *name);

/* The file's text (free it), or NULL. */
char *room_read(const char *folder, const char *name);

/* Digits for a sleep(1) that is only this test's: its number of seconds. */
const char *room_marker(void);

/* How many processes of the machine have text in their command line. */
int room_count_processes(const char *text);

/* The same among our own descendants. */
int room_count_mine(const char *text);

/* How many of our descendants have this name; *pid (may be NULL) is one of them. */
int room_count_named(const char *name, int *pid);

/* SIGKILL to those of our own descendants that have text in their command line; how many there were. */
int room_kill(const char *text);

/* Waits until room_count_processes(text) is 0; false after five seconds. */
bool room_gone(const char *text);

#endif
