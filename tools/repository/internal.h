/*
 * internal.h - what an open repository is; for the files of this folder only.
 */
#ifndef CAISSON_REPOSITORY_INTERNAL_H
#define CAISSON_REPOSITORY_INTERNAL_H

#include <sys/types.h>

#include "lib/buffer.h"
#include "repository/chunker.h"
#include "repository/chunks.h"
#include "repository/config.h"
#include "repository/pack.h"
#include "repository/repository.h"

#define REPOSITORY_LOCK "lock"

struct repository {
    char *path; /* for messages */
    enum repository_mode mode;
    int folder_fd;
    struct stored_folder packs_folder;
    struct stored_folder snapshots_folder;
    struct stored_seal seal; /* of both folders, where the repository is encrypted */
    struct age_identities identities;
    struct age_recipient *recipients; /* what seal.recipients points to */
    bool own_unasked;                 /* there is no key but the machine's own, which nobody named */
    bool reads_all;                   /* an identity of the repository itself: what it does not open is damaged */
    uint64_t locked_packs;            /* that none of the identities opens */
    const struct progress *progress;  /* while the lock is waited for; NULL: nobody is told */
    int lock_fd;                      /* -1: none could be taken (a read-only or a simple network file system) */
    dev_t folder_dev;                 /* so that a backup does not enter its own repository */
    ino_t folder_ino;
    struct repository_config config;
    bool config_damaged;        /* only readers go on */
    const char *folder_is_gone; /* packs or snapshots; NULL: both are there */
    struct chunks chunks;
    uint8_t (*packs)[SHA256_SIZE]; /* id of each pack, by its number */
    uint32_t pack_count;
    uint32_t packs_allocated;
    struct strings damaged_files; /* found when opening, and by the same index */
    struct strings damaged_whats; /* what is wrong with each */
    bool spent;                   /* a backup failed: chunks may name packs that were never finished */
};

static inline bool repository_is_sealed(const struct repository *repository)
{
    return repository->packs_folder.seal != NULL;
}

static inline bool repository_is_alone(const struct repository *repository)
{
    return repository->mode == REPOSITORY_ALONE || repository->mode == REPOSITORY_ALONE_ASSURED;
}

/* Where the repository is encrypted: takes the keys and sets the seal of its folders. unlock.c. */
int repository_unlock(struct repository *repository, const struct repository_keys *keys, struct error *error)
    MUST_CHECK;

/* -1: nothing of `what` ("the packs") is for the keys given. CSN_AGE_NO_IDENTITY; as without a key with own_unasked. unlock.c. */
int repository_refuse_locked(const struct repository *repository, const char *what, struct error *error) MUST_CHECK;

/* The recipient of the key of the machine that writes, if it is none of the repository's own; NULL: none. unlock.c. */
const char *repository_own_recipient(const struct repository *repository, char text[AGE_RECIPIENT_TEXT_SIZE]);

/* Gives a pack the next number. CSN_MEMORY. */
int repository_add_pack(struct repository *repository, const uint8_t id[SHA256_SIZE], uint32_t *number,
                        struct error *error) MUST_CHECK;

/* Reads the indexes of the packs that are not known yet: after another writer may have added some. */
int repository_refresh(struct repository *repository, struct error *error) MUST_CHECK;

/* Open packs that chunks are read from; one a thread. The repository's index must not change meanwhile. */
struct pack_cache;

struct pack_cache *pack_cache_new(struct repository *repository, struct error *error) MUST_CHECK;
void pack_cache_free(struct pack_cache *cache);

/* The content of a chunk of exactly size_bytes, once its hash holds; valid until the next call. Tries each place it is
 * in. NULL: CSN_REPOSITORY_DAMAGED, CSN_IO, CSN_MEMORY. */
const uint8_t *pack_cache_chunk(struct pack_cache *cache, const uint8_t id[SHA256_SIZE], uint64_t size_bytes,
                                struct error *error) MUST_CHECK;

/* The same at one place of it. */
const uint8_t *pack_cache_place(struct pack_cache *cache, const struct chunk_place *place, struct error *error)
    MUST_CHECK;

/* Calls file for the name of each file in the folder, in no order; "part/name" for those one folder down if deep, "part/"
 * for such a folder that cannot be read. Returning -1 from it ends that. */
int repository_each_file(int folder_fd, bool deep, int (*file)(void *context, const char *name, struct error *error),
                         void *context, struct error *error) MUST_CHECK;

#endif
