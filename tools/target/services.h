/*
 * services.h - the fence: files that keep the application and its database from starting by themselves, while the server
 * otherwise boots as ever. Says which files; the sequence journals each, then calls fence_apply_one / fence_undo_one.
 *
 * Applied in the order of the list: drop-ins first, the flag file /etc/caisson/fence last (from then on it holds).
 * Undone in reverse: removing the flag takes the fence away at once. Units and reasons: README.md.
 */
#ifndef CAISSON_TARGET_SERVICES_H
#define CAISSON_TARGET_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "target/identify.h"

#define FENCE_FLAG "/etc/caisson/fence"

/* One file to make; all that undoing needs is in here, so that it can be journaled. */
struct fence_file {
    char *path; /* absolute on the server */
    char *content;
    char *made;              /* the topmost folder that has to be made for it, or NULL */
    char *parent;            /* the folder that was there and gets a new name in it */
    int64_t parent_time_sec; /* its modification time before, put back by undo */
    int64_t parent_time_nsec;
};

struct fence {
    struct fence_file *items;
    size_t count;
    struct strings units;    /* every unit that is fenced, for the report */
    struct strings findings; /* what starts the application and cannot be fenced: cron's @reboot, rc.local ... */
};

/*
 * Plans the fence for a server; reads only. more_units (NULL: none) are fenced too, whether or not they are there yet:
 * those of the new release. CSN_TARGET_SERVICES if the server does not start by systemd; the message says what was found.
 */
int services_fence(struct fence *fence, const struct target *target, const struct strings *more_units,
                   struct error *error) MUST_CHECK;
void fence_free(struct fence *fence);

/* Makes one file, durable, mode 0644, with its folders (0755). A file that is there with this content is fine. Another
 * content under this name: CSN_TARGET_SERVICES. */
int fence_apply_one(int root_fd, const struct fence_file *file, struct error *error) MUST_CHECK;

/* Removes the file, the folders made for it as far as they are empty, and puts the parent's time back. What is gone
 * already is fine. A file of another content stays: CSN_TARGET_SERVICES. */
int fence_undo_one(int root_fd, const struct fence_file *file, struct error *error) MUST_CHECK;

/* The record of one file in the journal, and back. False: no memory, or not such a record. */
bool fence_file_to_json(yyjson_mut_doc *document, yyjson_mut_val *object, const struct fence_file *file);
bool fence_file_from_json(struct fence_file *file, yyjson_val *object);
void fence_file_free(struct fence_file *file);

/* True while the flag is on the server. */
bool fence_is_up(int root_fd);

#endif
