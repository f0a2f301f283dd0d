/*
 * config.h - repository.json and the two pages for people: what a repository says of itself.
 */
#ifndef CAISSON_REPOSITORY_CONFIG_H
#define CAISSON_REPOSITORY_CONFIG_H

#include "age/key.h"
#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/sha256.h"
#include "repository/chunker.h"

#define REPOSITORY_PACKS "packs"
#define REPOSITORY_SNAPSHOTS "snapshots"
#define CONFIG_FILE "repository.json"
#define CONFIG_COPY "repository.json.copy" /* the same bytes: what stands in it cannot be had from anywhere else */
#define CONFIG_VERSION 1
#define CONFIG_PAGES 2

struct repository_config {
    char id[33];
    struct chunker_sizes sizes;
    uint64_t seed;
    uint8_t page_hashes[CONFIG_PAGES][SHA256_SIZE];
    struct age_recipient *recipients; /* 0: not encrypted */
    size_t recipient_count;
    bool
        has_passphrase; /* the last recipient's identity lies in the repository, encrypted to a passphrase: key_file.h */
    uint8_t key_hash[SHA256_SIZE]; /* SHA-256 of that file */
};

/* Text that lies in each repository: README.txt and restore.sh. */
struct config_page {
    const char *name;
    const char *text;
    unsigned mode;
};
extern const struct config_page config_pages[CONFIG_PAGES];

/* Writes the pages, the copy and, last, repository.json: from then on the folder is a repository. Of config only the recipients,
 * has_passphrase and key_hash are taken. */
int config_write(const struct repository_config *config, int folder_fd, struct error *error) MUST_CHECK;

/* From the copy where repository.json is damaged. CSN_REPOSITORY_NOT where there is none, nor the folders of a repository; _VERSION,
 * _DAMAGED (both are, or gone). */
int config_read(struct repository_config *config, int folder_fd, const char *path, struct error *error) MUST_CHECK;
/* The text of repository.json or its copy, and its first line's length, if its hash holds. 0; 1: it is damaged or not there; -1. */
int config_read_text(int folder_fd, const char *name, struct buffer *text, size_t *line_size, struct error *error)
    MUST_CHECK;

/* Calls damaged for each of repository.json, the pages, key.age and the copies that is not as it was written. CSN_MEMORY,
 * CSN_PRIVILEGE. */
int config_check(const struct repository_config *config, int folder_fd,
                 void (*damaged)(void *context, const char *file, const char *what), void *context, struct error *error)
    MUST_CHECK;

/* Writes anew what config_check finds, so far as it can be known; done is called for each. */
int config_repair(const struct repository_config *config, int folder_fd,
                  void (*done)(void *context, const char *file, const char *what), void *context, struct error *error)
    MUST_CHECK;

void config_free(struct repository_config *config);

#endif
