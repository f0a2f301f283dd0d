/*
 * installation.h - looks for applications below one root that can be read already: a mounted disk or a folder.
 */
#ifndef CAISSON_TARGET_INSTALLATION_H
#define CAISSON_TARGET_INSTALLATION_H

#include "lib/error.h"
#include "lib/strings.h"
#include "target/identify.h"

/* True if this is the root of a system: it has an os-release or an fstab. */
bool installation_is_root(int root_fd);

/* Adds to survey what is found below root_fd: an installation each, and to survey->looked why a profile found none.
 * place stands for the root in messages; disk and volume may be NULL (a folder). */
int installation_look(struct survey *survey, int root_fd, const char *place, const char *disk,
                      const char *volume_options, const struct target_options *options, struct error *error) MUST_CHECK;

void installation_free(struct installation *installation);

/* *config: Debian's /etc/postgresql/VERSION/NAME/postgresql.conf whose data_directory leads to data_path (without links in it);
 * NULL where there is none. The caller's. */
int installation_debian_config(int root_fd, const char *data_path, const char *version, char **config,
                               struct error *error) MUST_CHECK;

/* Adds the existing paths below root_fd that an absolute pattern (* ? [..] in any part) means, in the order of names.
 * A name with a leading dot, or one that Caisson itself made (".caisson" in it), fits no glob. */
int pattern_expand(int root_fd, const char *pattern, struct strings *paths, struct error *error) MUST_CHECK;

/* The path of an existing file or folder below root_fd without links in it; NULL with an error. The caller's. */
char *root_real_path(int root_fd, const char *path, struct error *error) MUST_CHECK;

/* The same with the links on the way (absolute, resolved themselves as far as their own name), added to *links in the order in which
 * they are met. *real is NULL where nothing is at the end of them. CSN_MEMORY. */
int root_trace(int root_fd, const char *path, struct strings *links, char **real, struct error *error) MUST_CHECK;

/* Where a path leads below root_fd, without links in it, whether something is there or not; NULL with CSN_MEMORY. The caller's. */
char *root_destination(int root_fd, const char *path, struct error *error) MUST_CHECK;

#endif
