/*
 * vault.h - a repository in a temporary folder and shorthands for the tests of repository/: each fails the test when it
 * fails. Needs tree/fixture.h's folder, in which the repository is "vault".
 */
#ifndef CAISSON_TESTS_REPOSITORY_VAULT_H
#define CAISSON_TESTS_REPOSITORY_VAULT_H

#include "lib/sha256.h"
#include "repository/pack.h"
#include "repository/repository.h"
#include "tree/fixture.h"

/* Makes it. */
void vault_init(const struct fixture *fixture);

struct repository *vault_open(const struct fixture *fixture, enum repository_mode mode);

/* Opens, backs "tree" up under the name "/opt/tree", closes. */
void vault_backup(const struct fixture *fixture, struct repository_backup_summary *summary);
void vault_backup_with(const struct fixture *fixture, const struct repository_backup_options *options,
                       struct repository_backup_summary *summary);

/* Opens, restores "/opt/tree" as "back" (which is made; its content is what the tree's was), closes. 0 or the error's code. */
enum error_code vault_restore(const struct fixture *fixture, const char *id, struct error *error);

/* Fails unless "tree" and "back" are equal in everything. */
void vault_assert_back(const struct fixture *fixture);

/* What verify says, one damage a line: "FILE|WHAT|SNAPSHOT|PATH". Free it. */
char *vault_verify(const struct fixture *fixture, uint32_t share_ppm, uint64_t *damages);

/* Changes one bit of a file; cuts it to size_bytes. */
void vault_flip(const struct fixture *fixture, const char *path, uint64_t bit);
void vault_truncate(const struct fixture *fixture, const char *path, uint64_t size_bytes);
uint64_t vault_size(const struct fixture *fixture, const char *path);

/* The number of files below folder (relative to the fixture) whose name ends so; *path (NULL allowed) becomes one of them. */
size_t vault_files(const struct fixture *fixture, const char *folder, const char *ending, char path[512]);

/* Bytes that do not shrink, always the same for the same seed. */
void vault_noise(uint8_t *bytes, size_t size_bytes, uint64_t seed);

/* Compresses and adds one frame, whose id is its hash. */
int vault_add_frame(struct pack_writer *writer, const void *data, size_t size_bytes, struct error *error);

/* Makes a snapshot file of these lines (the first is the header, the last the end; each without its newline), as a writer
 * without any scruple would; id is its name. hash_line: replaces "HASH" in the last line by the right hash. */
void vault_forge(const struct fixture *fixture, const char *const *lines, size_t count, char id[REPOSITORY_ID_SIZE]);

#endif
