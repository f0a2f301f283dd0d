#include <stdlib.h>
#include <string.h>

#include "repository/internal.h"
#include "repository/key_file.h"

static bool is_recipient(const struct repository_config *config, const struct age_identity *identity)
{
    for (size_t i = 0; i < config->recipient_count; i++) {
        if (memcmp(config->recipients[i].point, identity->recipient.point, AGE_KEY_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* The repository's own identity, which a passphrase opens. */
static int open_key_file(struct repository *repository, const char *passphrase, struct error *error)
{
    struct age_identities *identities = &repository->identities;
    int result = 0;
    if (passphrase != NULL && repository->config_damaged) {
        result = key_file_rescue(identities, repository->folder_fd, passphrase, error);
    } else if (passphrase != NULL && repository->config.has_passphrase) {
        result = key_file_read(identities, &repository->config, repository->folder_fd, passphrase, error);
    }
    return result == 0 ? 0 : error_wrap(error, "%s", repository->path);
}

static int take_identities(struct repository *repository, const struct repository_keys *keys, struct error *error)
{
    int result = keys->own == NULL ? 0 : age_identities_add(&repository->identities, keys->own, error);
    for (size_t i = 0; result == 0 && keys->identities != NULL && i < keys->identities->count; i++) {
        result = age_identities_add(&repository->identities, &keys->identities->items[i], error);
    }
    return result == 0 ? open_key_file(repository, keys->passphrase, error) : -1;
}

/* Whom what is written is for: the repository's recipients, and the machine that writes. */
static int set_recipients(struct repository *repository, const struct age_identity *own, struct error *error)
{
    const struct repository_config *config = &repository->config;
    repository->recipients = calloc(config->recipient_count + 1, sizeof *repository->recipients);
    if (repository->recipients == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the recipients of %s", repository->path);
    }
    if (config->recipient_count > 0) {
        memcpy(repository->recipients, config->recipients, config->recipient_count * sizeof *config->recipients);
    }
    size_t count = config->recipient_count;
    if (own != NULL && !is_recipient(config, own)) {
        repository->recipients[count++] = own->recipient;
    }
    repository->seal.recipients = repository->recipients;
    repository->seal.recipient_count = count;
    return 0;
}

static int refuse_without_key(const struct repository *repository, struct error *error)
{
    const struct repository_config *config = &repository->config;
    if (!config->has_passphrase) {
        return error_set(error, CSN_REPOSITORY_LOCKED, "%s is encrypted", repository->path);
    }
    return key_file_is_there(config, repository->folder_fd, error) == 0
               ? error_set(error, CSN_AGE_PASSPHRASE, "%s is encrypted: --passphrase-file FILE, or --identity FILE",
                           repository->path)
               : error_wrap(error, "%s", repository->path);
}

int repository_refuse_locked(const struct repository *repository, const char *what, struct error *error)
{
    return repository->own_unasked
               ? refuse_without_key(repository, error)
               : error_set(error, CSN_AGE_NO_IDENTITY, "none of the keys given opens %s of %s", what, repository->path);
}

static int see_sealed(void *context, const char *name, struct error *error)
{
    bool *sealed = context;
    size_t length = strlen(name);
    (void)error;
    *sealed = *sealed || (length > 4 && strcmp(name + length - 4, ".age") == 0);
    return 0;
}

/* Where repository.json is lost the files themselves say whether they are encrypted. */
static int holds_sealed(const struct repository *repository, bool *sealed, struct error *error)
{
    *sealed = false;
    return repository_each_file(repository->snapshots_folder.fd, false, see_sealed, sealed, error) != 0
               ? -1
               : repository_each_file(repository->packs_folder.fd, true, see_sealed, sealed, error);
}

int repository_unlock(struct repository *repository, const struct repository_keys *keys, struct error *error)
{
    static const struct repository_keys none;
    keys = keys == NULL ? &none : keys;
    const struct age_identities *identities = &repository->identities;
    bool encrypted = repository->config.recipient_count > 0;
    if (repository->config_damaged && holds_sealed(repository, &encrypted, error) != 0) {
        return -1;
    }
    if (!encrypted && !repository->config_damaged) {
        return 0;
    }
    if (take_identities(repository, keys, error) != 0) {
        return -1;
    }
    if (!encrypted && identities->count == 0) {
        return 0;
    }
    repository->own_unasked = keys->own_unasked;
    if (set_recipients(repository, keys->own, error) != 0) {
        return -1;
    }
    if (identities->count == 0 && keys->passphrase != NULL && repository->mode != REPOSITORY_WRITE) {
        return error_set(error, CSN_REPOSITORY_LOCKED, "%s is encrypted, and not to a passphrase", repository->path);
    }
    if (identities->count == 0 && repository->mode != REPOSITORY_WRITE) {
        return refuse_without_key(repository, error);
    }
    for (size_t i = 0; i < identities->count; i++) {
        repository->reads_all = repository->reads_all || is_recipient(&repository->config, &identities->items[i]);
    }
    repository->seal.keys = (struct age_keys){.identities = identities->items, .count = identities->count};
    repository->packs_folder.seal = &repository->seal;
    repository->snapshots_folder.seal = &repository->seal;
    return 0;
}

const char *repository_own_recipient(const struct repository *repository, char text[AGE_RECIPIENT_TEXT_SIZE])
{
    if (repository->seal.recipient_count <= repository->config.recipient_count) {
        return NULL;
    }
    age_recipient_print(&repository->recipients[repository->config.recipient_count], text);
    return text;
}

static bool names(const struct strings *recipients, const struct age_recipient *recipient)
{
    char text[AGE_RECIPIENT_TEXT_SIZE];
    age_recipient_print(recipient, text);
    return strings_has(recipients, text);
}

int repository_check_recipients(const struct repository *repository, const struct strings *recipients,
                                struct error *error)
{
    const struct repository_config *config = &repository->config;
    char text[AGE_RECIPIENT_TEXT_SIZE];
    for (size_t i = 0; i < config->recipient_count; i++) {
        if (!names(recipients, &config->recipients[i])) {
            age_recipient_print(&config->recipients[i], text);
            return error_set(error, CSN_REPOSITORY_RECIPIENTS, "%s is encrypted to %s, too", repository->path, text);
        }
    }
    for (size_t i = 0; i < recipients->count; i++) {
        struct age_recipient recipient;
        if (age_recipient_parse(&recipient, recipients->items[i], error) != 0) {
            return -1;
        }
        bool there = false;
        for (size_t k = 0; k < config->recipient_count; k++) {
            there = there || memcmp(config->recipients[k].point, recipient.point, AGE_KEY_BYTES) == 0;
        }
        if (!there) {
            return error_set(error, CSN_REPOSITORY_RECIPIENTS, "%s is not encrypted to %s", repository->path,
                             recipients->items[i]);
        }
    }
    return 0;
}
