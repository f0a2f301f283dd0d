/*
 * run_repository.c - the run's repository, and the key with which the server reads what it has put there.
 */
#include "sequence/run.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/own_key.h"

/* The server's key, kept there since an earlier run; or a new one, which run_keep_key writes down once the server may be written. */
static int take_key(struct run *run, struct error *error)
{
    if (run->has_key) {
        return 0;
    }
    int there = own_key_read(&run->key, run->target.root_fd, OWN_KEY_FILE, error);
    if (there == 0) {
        run->key_is_new = true;
        there = age_identity_make(&run->key, error) != 0 ? -1 : 1;
    }
    run->has_key = there == 1;
    return there == 1 ? 0 : error_wrap(error, "the server's key");
}

/* Makes it where there is none yet, or only what was left of making it when the power went. */
static int make_sure(const char *path, const struct repository_protection *protection, struct error *error)
{
    struct error trouble = {.code = CSN_NONE};
    bool unused = false;
    if (repository_is_encrypted(path, &unused, &trouble) == 0 || trouble.code != CSN_REPOSITORY_NOT) {
        return 0; /* opening it says what is wrong */
    }
    if (file_make_dirs(AT_FDCWD, path, 0700, error) != 0) {
        return -1;
    }
    if (repository_init(path, protection, error) == 0) {
        return 0;
    }
    if (error != NULL && error->code == CSN_REPOSITORY_EXISTS) { /* a folder of somebody's */
        *error = trouble;
    }
    return -1;
}

struct repository *run_open_repository(struct run *run, enum repository_mode mode, struct error *error)
{
    const char *path = run->repository_path;
    const struct repository_protection protection = {.recipients = &run->job.recipients};
    bool encrypted = false;
    if ((mode == REPOSITORY_WRITE && make_sure(path, &protection, error) != 0) ||
        repository_is_encrypted(path, &encrypted, error) != 0 || (encrypted && take_key(run, error) != 0)) {
        return NULL;
    }
    const struct repository_keys keys = {.own = encrypted ? &run->key : NULL, .progress = &run->console->progress};
    struct repository *repository = repository_open(path, mode, &keys, error);
    if (repository != NULL && mode == REPOSITORY_WRITE && run->job.recipients.count > 0 &&
        repository_check_recipients(repository, &run->job.recipients, error) != 0) {
        repository_close(repository);
        return NULL;
    }
    return repository;
}

int run_keep_key(struct run *run, struct error *error)
{
    if (!run->has_key || !run->key_is_new) {
        return 0;
    }
    run->key_is_new = false;
    return own_key_write(&run->key, run->target.root_fd, OWN_KEY_FILE, error);
}
