/*
 * exchange.h - the renames of the switch: two names exchanged, or one moved to a free name, each one atomic and durable
 * when it returns.
 *
 * After a cut the journal asks tree_identity whether a rename has happened: a folder keeps its identity when renamed.
 * On overlayfs a folder of the lower layer can be renamed only if it is mounted with redirect_dir=on (else EXDEV).
 */
#ifndef CAISSON_TREE_EXCHANGE_H
#define CAISSON_TREE_EXCHANGE_H

#include <stdint.h>

#include "lib/error.h"

/* Exchanges the names path_a and path_b below root_fd (resolved as lib/root.h does; last parts are not followed) with
 * RENAME_EXCHANGE, then fsyncs both holding folders. CSN_TREE_RENAME: not exchanged, or (the message says so) exchanged
 * but not known to be durable. CSN_NOT_FOUND: one of the two is not there; nothing was changed. */
int tree_exchange(int root_fd, const char *path_a, const char *path_b, struct error *error) MUST_CHECK;

/* Renames from to the free name to (RENAME_NOREPLACE), then fsyncs both holding folders. Errors as above. */
int tree_move(int root_fd, const char *from, const char *to, struct error *error) MUST_CHECK;

/* The identity of what path names (not followed): its file system and inode. CSN_NOT_FOUND, or CSN_TREE_READ. dev is
 * only good while the file system stays mounted; across boots compare ino. */
int tree_identity(int root_fd, const char *path, uint64_t *dev, uint64_t *ino, struct error *error) MUST_CHECK;

#endif
